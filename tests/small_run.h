// A small model and a small data set, for tests of the whole.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dure/base/random.h"
#include "dure/config/config.h"
#include "dure/data/dataset.h"
#include "dure/data/indexed_writer.h"
#include "dure/model/llama/llama.h"

namespace dure {

// Samples that can be learned: each is a walk of fixed stride over 61 tokens,
// with start and stride by the sample's index.
class Walks final : public data::Dataset {
 public:
  // The tokens are spread evenly over the vocabulary, of 61 or more.
  Walks(std::int64_t samples, std::int64_t sequence, std::int64_t vocabulary)
      : samples_(samples), sequence_(sequence), gap_(vocabulary / kTokens) {}

  std::int64_t size() const override { return samples_; }
  std::int64_t sample_tokens() const override { return sequence_ + 1; }
  void sample(std::int64_t index,
              std::span<std::int32_t> tokens) const override {
    const RandomStream random(7, "walks");
    const auto i = static_cast<std::uint64_t>(index);
    const auto start = static_cast<std::int64_t>(random.below(97, 2 * i));
    const auto stride =
        static_cast<std::int64_t>(1 + random.below(3, 2 * i + 1));
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      tokens[t] = static_cast<std::int32_t>(
          (start + stride * static_cast<std::int64_t>(t)) % kTokens * gap_);
    }
  }

 private:
  static constexpr std::int64_t kTokens = 61;

  std::int64_t samples_;
  std::int64_t sequence_;
  std::int64_t gap_;
};

inline train::Config small_gpt() {
  train::Config config;
  config.model = {.layers = 2,
                  .hidden = 32,
                  .heads = 4,
                  .vocabulary = 61,
                  .max_sequence = 16};
  config.data.sequence = 16;
  config.train.global_batch = 4;
  config.train.micro_batch = 2;
  config.train.steps = 40;
  config.optimizer.learning_rate = 5e-3;
  config.optimizer.decay = optim::DecayKind::kConstant;
  return config;
}

inline train::Config small_llama() {
  train::Config config = small_gpt();
  config.model.family = &model::kLlama;
  config.model.norm = &nn::kRmsNorm;
  config.model.position = model::Position::kRope;
  config.model.activation = model::Activation::kSwiglu;
  config.model.bias = false;
  config.model.tie_embeddings = false;
  config.model.kv_heads = 2;
  return config;
}

inline Walks small_data(std::int64_t vocabulary = 61) {
  return {4096, 16, vocabulary};
}

// Writes documents of 40 tokens as PREFIX.bin and PREFIX.idx.
inline void write_small_text(const std::string& prefix,
                             std::int64_t documents = 400) {
  data::IndexedDatasetWriter writer(prefix, data::TokenType::kU16);
  const Walks walks(documents, 39, 61);
  std::vector<std::int32_t> tokens(40);
  for (std::int64_t i = 0; i < walks.size(); ++i) {
    walks.sample(i, tokens);
    writer.add_sequence(tokens);
    writer.end_document();
  }
  writer.commit();
}

}  // namespace dure
