// The gradients of a step by their binary exponents: a histogram.
//
// Counted are the gradients that the step's update takes: after all
// micro-batches and reductions, before clipping, in the type they are kept in
// (precision.gradients); of the whole model, each element once, without the
// vocabulary's padding. If the optimizer takes gradients that are not reduced
// (kernels::GradientOf::kThisRank), those of every rank are counted.
//
// They are the gradients of the loss times its scale: `scaled` is the histogram
// of them, and `unscaled` that of the same values divided by the scale, without
// rounding (kernels/count_exponents.h).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dure/kernels/count_exponents.h"

namespace dure::train {

// The exponents of fp16's least number, and of its least normal one.
inline constexpr int kLeastOfFp16 = -24;
inline constexpr int kLeastNormalOfFp16 = -14;

// How many values have which exponent e, 2^e <= |x| < 2^(e + 1).
struct ExponentHistogram {
  int first = 0;                          // the exponent of counts[0]
  std::vector<std::int64_t> counts = {};  // neither end is 0
  bool operator==(const ExponentHistogram&) const = default;

  std::int64_t values() const;
  // The share of the values that are below 2^exponent; 0 if there are none.
  double share_below(int exponent) const;
};

struct GradientExponents {
  std::int64_t zeros = 0;
  std::int64_t nonfinite = 0;
  ExponentHistogram unscaled = {};
  std::optional<ExponentHistogram> scaled = {};  // where the loss is scaled
  bool operator==(const GradientExponents&) const = default;

  std::int64_t elements() const {
    return zeros + nonfinite + unscaled.values();
  }
};

enum class LossIs : std::uint8_t { kScaled, kUnscaled };

// Reads the counts of a step (kernels::CountExponents), which were taken beside
// this scale.
GradientExponents gradient_exponents(
    std::span<const std::int64_t, kernels::CountExponents::kCounts> counts,
    float scale,
    LossIs loss);

}  // namespace dure::train
