// Byte-pair encoding of one word.
//
// The word's bytes, or its characters, are its first symbols. While some
// neighbours have a merge, the pair with the lowest rank, and of these the
// leftmost, becomes one symbol.
//
// Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with
// Subword Units", algorithm 1; on bytes as in GPT-2, on characters as in
// SentencePiece.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dure/data/tokenizer/code_points.h"
#include "dure/data/tokenizer/pair_map.h"

namespace dure::data {

struct BpeMerge {
  std::int32_t left = 0;
  std::int32_t right = 0;
  std::int32_t result = 0;
};

// The first symbols of a word of characters, if its symbols aren't bytes.
struct CharacterSymbols {
  enum class Unknown { kEach, kFused };

  // Written before each character but a word's first, and after its last.
  std::string prefix;
  std::string suffix;
  // The token of a character that has none; nothing if there is no such token.
  std::optional<std::int32_t> unknown;
  Unknown unknown_run = Unknown::kEach;
  // The tokens of single bytes, "<0x41>", which such a character becomes before
  // that, if all of its bytes have one: -1 if there is none.
  std::array<std::int32_t, 256> bytes{};
};

// A vocabulary with its merges, as trained or as read from files.
struct BpeModel {
  // A word that is a token is merged as well, or used directly (Llama 3).
  enum class WholeWords { kMerged, kDirect };

  // The bytes of each token by its id. An id without a token has no bytes.
  std::vector<std::string> tokens;
  // Merges are in the order of their ranks.
  std::vector<BpeMerge> merges;
  // The id of each single byte, if these are the symbols.
  std::array<std::int32_t, 256> bytes{};
  // The symbols of characters otherwise.
  std::optional<CharacterSymbols> characters;
  WholeWords whole_words = WholeWords::kMerged;
};

// Immutable, for any number of threads; each has its own scratch.
class Bpe {
 public:
  struct Scratch {
    std::vector<std::int32_t> symbols;
    std::vector<std::uint32_t> ranks;
    std::vector<std::int64_t> heap;
    std::vector<std::array<std::int32_t, 2>> links;
  };

  explicit Bpe(const BpeModel& model);

  // The ids of the word, in the scratch: valid until its next use.
  const std::vector<std::int32_t>& encode(std::string_view word,
                                          Scratch& scratch) const;

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;

  struct Target {
    std::uint32_t rank = kNone;
    std::int32_t id = 0;
  };

  void begin_with_characters(std::string_view word,
                             std::vector<std::int32_t>& symbols) const;
  std::string written(std::string_view word,
                      std::size_t at,
                      std::size_t bytes) const;
  std::int32_t symbol(std::string_view word,
                      std::size_t at,
                      const Character& c) const;
  bool add_bytes(std::string_view bytes,
                 std::vector<std::int32_t>& symbols) const;
  std::uint32_t rank(std::int32_t left, std::int32_t right) const;
  void merge_short(Scratch& s) const;
  void merge_long(Scratch& s) const;
  void push(std::int32_t at, Scratch& s) const;

  std::array<std::int32_t, 256> bytes_;
  std::optional<CharacterSymbols> characters_;
  std::vector<std::int32_t> by_code_;  // of tokens that are one character
  PairMap<Target> targets_;
  std::unordered_map<std::string, std::int32_t> ids_;
  BpeModel::WholeWords whole_words_;
};

}  // namespace dure::data
