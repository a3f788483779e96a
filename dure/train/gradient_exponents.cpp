#include "dure/train/gradient_exponents.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace dure::train {
namespace {

using kernels::CountExponents;
using Counts = std::span<const std::int64_t, CountExponents::kCounts>;

// Without the empty ends.
ExponentHistogram trimmed(ExponentHistogram all) {
  const auto is_some = [](std::int64_t count) { return count != 0; };
  const auto first = std::ranges::find_if(all.counts, is_some);
  if (first == all.counts.end()) {
    return {};
  }
  all.first += static_cast<int>(first - all.counts.begin());
  all.counts.erase(all.counts.begin(), first);
  while (all.counts.back() == 0) {
    all.counts.pop_back();
  }
  return all;
}

ExponentHistogram as_counted(Counts counts) {
  ExponentHistogram all = {.first = CountExponents::kFirst};
  for (int e = CountExponents::kFirst; e <= CountExponents::kLast; ++e) {
    all.counts.push_back(counts[CountExponents::below(e)] +
                         counts[CountExponents::not_below(e)]);
  }
  return trimmed(std::move(all));
}

// Divided by m 2^k: the exponents are less by k, and by k + 1 where the
// significand is below m.
ExponentHistogram divided(Counts counts, float scale) {
  ExponentHistogram all = {.first =
                               CountExponents::kFirst - std::ilogb(scale) - 1};
  all.counts.push_back(0);
  for (int e = CountExponents::kFirst; e <= CountExponents::kLast; ++e) {
    all.counts.back() += counts[CountExponents::below(e)];
    all.counts.push_back(counts[CountExponents::not_below(e)]);
  }
  return trimmed(std::move(all));
}

}  // namespace

std::int64_t ExponentHistogram::values() const {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

double ExponentHistogram::share_below(int exponent) const {
  const std::int64_t all = values();
  const auto n = std::clamp<std::int64_t>(
      std::int64_t{exponent} - first, 0, std::ssize(counts));
  const std::int64_t below =
      std::accumulate(counts.begin(), counts.begin() + n, std::int64_t{0});
  return all == 0 ? 0 : static_cast<double>(below) / static_cast<double>(all);
}

GradientExponents gradient_exponents(Counts counts, float scale, LossIs loss) {
  GradientExponents result = {.zeros = counts[CountExponents::kZeros],
                              .nonfinite = counts[CountExponents::kNonfinite],
                              .unscaled = divided(counts, scale)};
  if (loss == LossIs::kScaled) {
    result.scaled = as_counted(counts);
  }
  return result;
}

}  // namespace dure::train
