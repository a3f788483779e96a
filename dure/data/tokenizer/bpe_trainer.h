// Trains a byte-level BPE vocabulary on word counts.
//
// Until the vocabulary is full, the most frequent pair of neighbouring symbols
// becomes a symbol; among equally frequent ones, the pair with the smaller ids.
// It gives the same result for the same counts on any machine, and the same
// vocabulary and merges as Hugging Face's BpeTrainer with ByteLevel's alphabet.
//
// Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with
// Subword Units", algorithm 1, with counts updated as merges change them (the
// index of section 3.2) and a heap of pairs.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "dure/data/tokenizer/pipeline_tokenizer.h"
#include "dure/data/tokenizer/word_counts.h"

namespace dure::data {

struct BpeTrainingOptions {
  // Includes special tokens and the 256 bytes. There are fewer tokens if no
  // pair is left that is frequent enough.
  std::int64_t vocabulary = 32768;
  std::int64_t min_frequency = 2;
  // They have the first ids; the first of them ends a document.
  std::vector<std::string> special_tokens = {"<|endoftext|>"};
  std::vector<std::string> patterns = {std::string(kGpt2Pattern)};
  // Called for every token learnt, with their number. It may throw.
  std::function<void(std::int64_t)> progress = {};
};

TokenizerParts train_bpe(const WordCounts& words,
                         const BpeTrainingOptions& options);

}  // namespace dure::data
