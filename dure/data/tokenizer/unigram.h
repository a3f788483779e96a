// Cuts a word into the tokens with the greatest sum of scores.
//
// Source: Kudo 2018, "Subword Regularization: Improving Neural Network
// Translation Models with Multiple Subword Candidates", section 3.2; the best
// path by Viterbi's algorithm.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dure/data/tokenizer/pair_map.h"

namespace dure::data {

struct UnigramModel {
  std::vector<std::string> tokens;  // by id
  std::vector<double> scores;       // log probabilities
  // The token for characters that no token has; several in a row become one.
  // Its score is the least of all, less 10.
  std::int32_t unknown = 0;
  // The tokens of single bytes, "<0x41>", which unknown characters become
  // before that, if all of their bytes have one: -1 if there is none.
  std::array<std::int32_t, 256> bytes{};
};

// Immutable, for any number of threads; each has its own scratch.
class Unigram {
 public:
  struct Scratch {
    struct Best {
      double score;
      std::int64_t begin;  // of the last token; -1: nothing ends here yet
      std::int32_t id;
    };
    std::vector<Best> best;  // by the byte that a path ends before
    std::vector<std::size_t> ends;
    std::vector<std::int32_t> ids;
  };

  explicit Unigram(const UnigramModel& model);

  // The ids of the word, in the scratch: valid until its next use. Among paths
  // with the same score it takes the one whose last token is the longest, as
  // Hugging Face's search does. `word` is UTF-8.
  const std::vector<std::int32_t>& encode(std::string_view word,
                                          Scratch& scratch) const;

 private:
  void add_token(const std::string& token, std::int32_t id);
  void find_best_path(std::string_view word, Scratch& scratch) const;
  void add_unknown(std::string_view text, std::vector<std::int32_t>& ids) const;

  // A trie of bytes: nodes are numbers, 0 the root.
  PairMap<std::int32_t> children_;
  std::vector<std::int32_t> token_at_;  // by node; -1 where no token ends
  std::unordered_map<std::string, std::int32_t> ids_;
  std::vector<double> scores_;
  double unknown_score_ = 0;
  std::int32_t unknown_;
  std::array<std::int32_t, 256> bytes_;
};

}  // namespace dure::data
