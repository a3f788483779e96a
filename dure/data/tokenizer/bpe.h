// Byte-pair encoding of one word.
//
// The word's bytes are its first symbols; while some neighbours have a merge,
// the pair of the lowest rank, and of these the leftmost, becomes one symbol.
//
// Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with
// Subword Units", algorithm 1; on bytes as in GPT-2.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dure/data/tokenizer/pair_map.h"

namespace dure::data {

struct BpeMerge {
  std::int32_t left = 0;
  std::int32_t right = 0;
  std::int32_t result = 0;
};

// A vocabulary with its merges: what training makes and files hold.
struct BpeModel {
  // The bytes of each token by its id. An id without a token has no bytes.
  std::vector<std::string> tokens;
  // First come, first merged.
  std::vector<BpeMerge> merges;
  // The id of each single byte.
  std::array<std::int32_t, 256> bytes{};
};

// Immutable, for any number of threads; each brings its scratch.
class Bpe {
 public:
  // A word that is a token is that token, merges or not (Llama 3).
  enum class WholeWords { kMerged, kDirect };

  struct Scratch {
    std::vector<std::int32_t> symbols;
    std::vector<std::uint32_t> ranks;
    std::vector<std::int64_t> heap;
    std::vector<std::array<std::int32_t, 2>> links;
  };

  Bpe(const BpeModel& model, WholeWords whole_words);

  // The ids of the word, in the scratch: valid until its next use.
  const std::vector<std::int32_t>& encode(std::string_view word,
                                          Scratch& scratch) const;

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;

  struct Target {
    std::uint32_t rank = kNone;
    std::int32_t id = 0;
  };

  std::uint32_t rank(std::int32_t left, std::int32_t right) const;
  void merge_short(Scratch& s) const;
  void merge_long(Scratch& s) const;
  void push(std::int32_t at, Scratch& s) const;

  std::array<std::int32_t, 256> bytes_;
  PairMap<Target> targets_;
  std::unordered_map<std::string, std::int32_t> whole_;
};

}  // namespace dure::data
