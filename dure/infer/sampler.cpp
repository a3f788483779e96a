#include "dure/infer/sampler.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <functional>
#include <utility>

#include "dure/base/check.h"

namespace dure::train {
namespace {

void require(bool condition, const char* message, double value) {
  if (!condition) {
    throw UsageError("{}, not {}", message, value);
  }
}

void expect_finite(std::span<const float> logits,
                   std::uint64_t sample,
                   std::uint64_t position) {
  const auto bad = std::find_if_not(
      logits.begin(), logits.end(), [](float x) { return std::isfinite(x); });
  DURE_CHECK(bad == logits.end(),
             "the model's logits after {} tokens of prompt {} are not finite "
             "({:g} for token {}): nothing can be drawn from them. Its weights "
             "hold such numbers or are too large for its sums; take an earlier "
             "checkpoint, or one that was trained in another precision",
             position,
             sample + 1,
             *bad,
             bad - logits.begin());
}

}  // namespace

void SamplingOptions::check() const {
  require(temperature >= 0 && std::isfinite(temperature),
          "the temperature is 0 or more",
          temperature);
  require(top_k >= 0, "top-k is 0 or more", static_cast<double>(top_k));
  require(top_p > 0 && top_p <= 1, "top-p is above 0 and at most 1", top_p);
}

Sampler::Sampler(const SamplingOptions& options, std::vector<bool> drawable)
    : options_(options),
      drawable_(std::move(drawable)),
      random_(options.seed, "generate") {
  options_.check();
}

std::int32_t Sampler::pick(std::span<const float> logits,
                           std::uint64_t sample,
                           std::uint64_t position) {
  expect_finite(logits, sample, position);
  if (options_.temperature == 0) {
    return most_likely(logits);
  }
  keep_likeliest(logits);
  keep_nucleus();
  double total = 0;
  for (const auto& [weight, token] : candidates_) {
    total += weight;
  }
  double left = total * random_.uniform(position, sample);
  for (const auto& [weight, token] : candidates_) {
    left -= weight;
    if (left < 0) {
      return token;
    }
  }
  return candidates_.back().second;  // rounding
}

std::int32_t Sampler::most_likely(std::span<const float> logits) const {
  std::size_t best = logits.size();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (may_draw(i) && (best == logits.size() || logits[i] > logits[best])) {
      best = i;
    }
  }
  DURE_CHECK(best < logits.size(),
             "none of the model's {} ids has a token: is this the tokenizer it "
             "was trained with?",
             logits.size());
  return static_cast<std::int32_t>(best);
}

// Makes the candidates, the likeliest first and ties by token, with weights
// exp(logit / temperature) relative to the best. A token of weight 0 is not a
// candidate.
void Sampler::keep_likeliest(std::span<const float> logits) {
  const double best = logits[most_likely(logits)];
  candidates_.clear();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double weight = std::exp((logits[i] - best) / options_.temperature);
    if (may_draw(i) && weight > 0) {
      candidates_.emplace_back(weight, static_cast<std::int32_t>(i));
    }
  }
  std::size_t keep = candidates_.size();
  if (options_.top_k > 0) {
    keep = std::min(keep, static_cast<std::size_t>(options_.top_k));
  }
  const auto likelier = [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  };
  std::partial_sort(candidates_.begin(),
                    candidates_.begin() + static_cast<std::ptrdiff_t>(keep),
                    candidates_.end(),
                    likelier);
  candidates_.resize(keep);
}

void Sampler::keep_nucleus() {
  if (options_.top_p >= 1) {
    return;
  }
  double total = 0;
  for (const auto& [weight, token] : candidates_) {
    total += weight;
  }
  double sum = 0;
  std::size_t keep = 0;
  while (keep < candidates_.size() && sum < options_.top_p * total) {
    sum += candidates_[keep].first;
    ++keep;
  }
  candidates_.resize(std::max<std::size_t>(keep, 1));
}

}  // namespace dure::train
