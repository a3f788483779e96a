// From logits to the next token.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "dure/base/random.h"

namespace dure::train {

// Applies the temperature first, then keeps the k most likely tokens, then of
// those the fewest whose probabilities add up to top_p [1, section 3.1].
//
// [1] Holtzman et al. 2019, arXiv:1904.09751.
struct SamplingOptions {
  double temperature = 1;  // 0: the most likely token, always
  std::int64_t top_k = 0;  // 0: all
  double top_p = 1;        // 1: all
  std::uint64_t seed = 1234;

  // Throws UsageError if a value is out of range.
  void check() const;
};

// A token is a function of the logits, the seed, the sample and the position
// alone, so a prompt continues alike whatever stands beside it in a batch.
class Sampler {
 public:
  // Draws only ids that are `drawable`; empty means all.
  explicit Sampler(const SamplingOptions& options,
                   std::vector<bool> drawable = {});

  // Throws Error for logits that are not finite.
  std::int32_t pick(std::span<const float> logits,
                    std::uint64_t sample,
                    std::uint64_t position);

 private:
  bool may_draw(std::size_t token) const {
    return drawable_.empty() || drawable_[token];
  }
  std::int32_t most_likely(std::span<const float> logits) const;
  void keep_likeliest(std::span<const float> logits);
  void keep_nucleus();

  SamplingOptions options_;
  std::vector<bool> drawable_;
  RandomStream random_;
  std::vector<std::pair<double, std::int32_t>> candidates_;  // weight, token
};

}  // namespace dure::train
