// Text from a model: the next token, again and again.
//
// If the ranks of a pipe axis have a stage each, the texts of a batch go
// through them in as many groups, so that all stages work at once: while the
// last one computes the first group's next token, the first works on the second
// group.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "dure/infer/decode_stages.h"
#include "dure/infer/sampler.h"
#include "dure/train/rank_model.h"

namespace dure::train {

struct GenerateOptions {
  std::int64_t tokens = 100;  // at most, for each prompt
  SamplingOptions sampling;
  KvCache cache = KvCache::kOn;
  std::vector<std::int32_t> ends = {};  // the tokens that end a text, each
  // Which ids may be drawn; empty means all. A model may have more ids than its
  // tokenizer has tokens.
  std::vector<bool> drawable = {};
};

class Generator {
 public:
  // Called for every new token, prompt after prompt within a position.
  using OnToken = std::function<void(std::size_t prompt, std::int32_t token)>;

  // The replica has one chunk of the model a rank.
  Generator(Rank& rank, const RankModel& rank_model, GenerateOptions options);

  // Returns the continuations, without the prompts, the same on all ranks;
  // collective. A text ends after options.tokens, with an end token (which is
  // not returned), or where the model's positions end. Throws as Sampler does,
  // and UsageError for an empty prompt, one that fills the model's positions,
  // or a token beyond the vocabulary.
  std::vector<Tokens> run(const std::vector<Tokens>& prompts,
                          const OnToken& on_token);

 private:
  void check_prompt(const Tokens& prompt) const;

  Rank& rank_;
  const RankModel& rank_model_;
  GenerateOptions options_;
};

}  // namespace dure::train
