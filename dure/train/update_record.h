// A record of the updates of some steps: what the host gives, and the outcome.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dure/base/exact_sum.h"
#include "dure/kernels/decide_update.h"
#include "dure/tensor/arena.h"
#include "dure/train/gradient_exponents.h"

namespace dure::train {

// The outcome of the updates of some steps on this rank: a row a step.
struct UpdateRecord {
  // These are indices into `sums`, and into `first_nonfinite`:
  static constexpr std::int64_t kLosses = 0;
  static constexpr std::int64_t kSquares = 1;
  static constexpr std::int64_t kGradients = 0;
  static constexpr std::int64_t kWeights = 1;

  OwnedTensor sums;             // (2, steps, kSumDigits)   i64: of the losses,
                                // and of the squares of gradients
  OwnedTensor outcomes;         // (steps, kOutcomes)       i64
  OwnedTensor first_nonfinite;  // (2, steps)               i64: gradients, and
                                // weights after the update
  OwnedTensor rates;            // (n, K)                   f32
  OwnedTensor first_update;     // (1)                      i64
  // (steps, CountExponents::kCounts)   i64: of the steps whose gradients are
  // counted; absent if none ever are.
  OwnedTensor exponents;

  // The host's inputs to the steps, and, after a synchronization, their
  // outcome.
  std::vector<std::int64_t> host_sums = {};
  std::vector<std::int64_t> host_outcomes = {};
  std::vector<std::int64_t> host_first_nonfinite = {};
  std::vector<float> host_rates = {};
  std::int64_t host_first_update = 0;
  std::vector<std::int64_t> host_exponents = {};
  std::vector<bool> is_counted = {};  // by step

  std::int64_t steps() const { return outcomes.shape()[0]; }
  Tensor losses() const;                           // (steps, kSumDigits)
  Tensor loss(std::int64_t step) const;            // (kSumDigits)
  Tensor squares(std::int64_t step) const;         // (kSumDigits)
  Tensor first_gradient(std::int64_t step) const;  // (1)
  Tensor first_weight(std::int64_t step) const;    // (1)

  ExactSum host_loss(std::int64_t step) const;
  ExactSum host_squares(std::int64_t step) const;
  // This is what was decided. The simulator makes every update, and its loss
  // scale stays.
  kernels::UpdateOutcome outcome(std::int64_t step) const;
  bool is_made(std::int64_t step) const;
  // Reads what was counted in the step. The simulator counts nothing.
  std::optional<GradientExponents> gradient_exponents(std::int64_t step,
                                                      LossIs loss) const;
};

}  // namespace dure::train
