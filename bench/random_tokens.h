// Samples of random tokens: their values do not change the work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dure/base/random.h"
#include "dure/data/dataset.h"

namespace dure::bench {

class RandomTokens final : public data::Dataset {
 public:
  RandomTokens(std::int64_t sequence, std::int64_t vocabulary)
      : sequence_(sequence), vocabulary_(vocabulary) {}
  std::int64_t size() const override { return 1 << 30; }
  std::int64_t sample_tokens() const override { return sequence_ + 1; }
  void sample(std::int64_t index,
              std::span<std::int32_t> tokens) const override {
    const RandomStream random(1, "tokens");
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      tokens[t] = static_cast<std::int32_t>(
          random.below(static_cast<std::uint64_t>(vocabulary_),
                       static_cast<std::uint64_t>(index) * tokens.size() + t));
    }
  }

 private:
  std::int64_t sequence_;
  std::int64_t vocabulary_;
};

}  // namespace dure::bench
