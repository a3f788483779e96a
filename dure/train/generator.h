// Text from a model: the next token, again and again.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "dure/train/replica.h"
#include "dure/train/sampler.h"

namespace dure::train {

// Whether keys and values of what was read are kept, or all of it is read again
// for every token: slow, and for comparison only.
enum class KvCache : std::uint8_t { kOn, kOff };

struct GenerateOptions {
  std::int64_t tokens = 100;  // at most, for each prompt
  SamplingOptions sampling;
  KvCache cache = KvCache::kOn;
  std::optional<std::int32_t> end;  // the token that ends a text
};

using Tokens = std::vector<std::int32_t>;

class Generator {
 public:
  // Called for every new token, prompt after prompt within a position.
  using OnToken = std::function<void(std::size_t prompt, std::int32_t token)>;

  Generator(Rank& rank, Replica& replica, GenerateOptions options);

  // The continuations, without the prompts. A text ends after options.tokens,
  // with the end token (which is not returned), or where the model's positions
  // end. Throws UsageError for an empty prompt, one that fills the model's
  // positions, or a token beyond the vocabulary.
  std::vector<Tokens> run(const std::vector<Tokens>& prompts,
                          const OnToken& on_token);

 private:
  struct Text {
    Tokens tokens;           // prompt and continuation
    std::size_t prompt = 0;  // tokens of the prompt
    bool done = false;
  };

  void check_prompt(const Tokens& prompt) const;
  void read_prompts(const model::Decoder::Cache& cache);
  void read(const model::Decoder::Cache& cache,
            std::span<const std::int32_t> ids,
            std::span<const std::int32_t> lengths,
            std::span<float> logits);
  void read_last(const model::Decoder::Cache& cache);
  void read_everything(std::size_t prompt);
  void extend(const OnToken& on_token);
  std::span<float> logits_of(std::size_t prompt);

  Rank& rank_;
  Replica& replica_;
  GenerateOptions options_;
  Sampler sampler_;
  std::vector<Text> texts_;
  std::vector<float> logits_;  // (B, Vp), of each text's next token
};

}  // namespace dure::train
