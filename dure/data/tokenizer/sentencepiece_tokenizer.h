// Tokenizers of the SentencePiece library: T5's, Llama 2's and their like.
#pragma once

#include <memory>

#include "dure/data/tokenizer/token_notes.h"
#include "dure/data/tokenizer/tokenizer.h"

namespace dure::data {

// From the bytes of a .model file. The model's own normalization applies, so
// that a round trip need not give the same bytes. Its <s> is put before a
// document as Llama's is, if the files beside do not say otherwise. Throws
// Error where it is no such model, where those files tell of tokens that the
// model lacks, and where this build has no SentencePiece library.
std::unique_ptr<Tokenizer> parse_sentencepiece(std::string_view model,
                                               const TokenNotes& notes);

}  // namespace dure::data
