// The arithmetic of DecideUpdate, which one thread of a CPU or of a GPU does.
#pragma once

#include <algorithm>
#include <cmath>

#include "dure/kernels/decide_update.h"

namespace dure::kernels {

// Keeps a norm of 0 from dividing; PyTorch's clip_grad_norm_ uses the same
// value.
inline constexpr double kClipEpsilon = 1e-6;

constexpr double clip_scale(double norm, double limit) {
  return limit > 0 && norm > limit ? limit / (norm + kClipEpsilon) : 1;
}

constexpr double value_of(const ConstTensor& digits) {
  return ExactSum(std::span<const std::int64_t, ExactSum::kDigits>(
                      digits.data<std::int64_t>(), ExactSum::kDigits))
      .value();
}

// The present state; numbers that are absent are those of no rule.
constexpr LossScaleState scale_state_in(const DecideUpdate& op) {
  const float scale = op.loss_scale ? op.loss_scale.data<float>()[0] : 1;
  return op.loss_scale_numbers
             ? loss_scale_state(scale,
                                op.loss_scale_numbers.data<std::int64_t>())
             : LossScaleState{.scale = scale};
}

constexpr void store_scale_state(const DecideUpdate& op,
                                 const LossScaleState& state) {
  if (op.rule.kind != LossScaleKind::kNone) {
    *op.loss_scale.data<float>() = state.scale;
    const auto numbers = numbers_of(state);
    std::copy(numbers.begin(),
              numbers.end(),
              op.loss_scale_numbers.data<std::int64_t>());
  }
}

// Decides this step from `counters` and the scale's state before it, and
// changes them.
constexpr UpdateOutcome decide_outcome(const DecideUpdate& op,
                                       const LossScaleState& state,
                                       double norm) {
  std::int64_t* const counters = op.counters.data<std::int64_t>();
  std::int64_t& made = counters[DecideUpdate::kMade];
  std::int64_t& stopped = counters[DecideUpdate::kStopped];
  const bool loss_is_finite = std::isfinite(value_of(op.loss));
  const bool is_finite = loss_is_finite && std::isfinite(norm);
  const bool has_rule = op.rule.kind != LossScaleKind::kNone;
  UpdateOutcome outcome = {.scale_used = state.scale, .after = state};
  outcome.is_overflow =
      has_rule && loss_is_finite && !is_finite && stopped == 0;
  outcome.ends_run = outcome.is_overflow && stops_at_overflow(op.rule, state);
  const bool is_nonfinite = !is_finite && !outcome.is_overflow;
  if (outcome.ends_run ||
      (is_nonfinite && op.after_nonfinite == AfterNonfinite::kStop)) {
    stopped = 1;
  }
  outcome.is_made = is_finite && stopped == 0;
  if (outcome.is_made) {
    ++made;
  }
  if (outcome.is_made || (outcome.is_overflow && !outcome.ends_run)) {
    outcome.after = next(op.rule, state, outcome.is_overflow);
    store_scale_state(op, outcome.after);
  }
  outcome.updates_after = made;
  return outcome;
}

// The row of op.rates for the update that is made.
constexpr std::int64_t row_of_rates(const DecideUpdate& op,
                                    const UpdateOutcome& outcome) {
  return outcome.updates_after - *op.first_update.data<std::int64_t>();
}

// Does all that DecideUpdate does. Calls has_row(row), which says whether
// there are rates for it.
template <typename HasRow>
constexpr void decide(const DecideUpdate& op, const HasRow& has_row) {
  const LossScaleState state = scale_state_in(op);
  const double norm = std::sqrt(value_of(op.squares)) / state.scale;
  const UpdateOutcome outcome = decide_outcome(op, state, norm);
  float* const control = op.control.data<float>();
  control[kIsUpdated] = outcome.is_made ? 1 : 0;
  control[kFactor] =
      static_cast<float>(clip_scale(norm, op.clip) / state.scale);
  control[kUpdateNumber] = update_number(outcome.updates_after);
  if (outcome.is_made) {
    const std::int64_t row = row_of_rates(op, outcome);
    const std::int64_t K = op.rates.shape()[1];
    if (has_row(row)) {
      const float* const rates = op.rates.data<float>() + row * K;
      std::copy(rates, rates + K, control + kDecisions);
    }
  }
  const auto numbers = numbers_of(outcome);
  std::copy(numbers.begin(), numbers.end(), op.outcome.data<std::int64_t>());
}

}  // namespace dure::kernels
