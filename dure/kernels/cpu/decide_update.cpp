#include "dure/kernels/decide_update.h"

#include <algorithm>
#include <cmath>

#include "dure/base/check.h"
#include "dure/kernels/cpu/sum_digits.h"

namespace dure::kernels {
namespace {

// Keeps a norm of 0 from dividing; PyTorch's clip_grad_norm_ uses the same
// value.
constexpr double kEpsilon = 1e-6;

double value_of(ConstTensor digits) {
  return sum_of(digits).value();
}

double clip_scale(double norm, double limit) {
  return limit > 0 && norm > limit ? limit / (norm + kEpsilon) : 1;
}

// The present state; numbers that are absent are those of no rule.
LossScaleState state_in(const DecideUpdate& op) {
  const float scale = op.loss_scale ? op.loss_scale.data<float>()[0] : 1;
  return op.loss_scale_numbers
             ? loss_scale_state(scale,
                                op.loss_scale_numbers.data<std::int64_t>())
             : LossScaleState{.scale = scale};
}

void store_state(const DecideUpdate& op, const LossScaleState& state) {
  if (op.rule.kind != LossScaleKind::kNone) {
    *op.loss_scale.data<float>() = state.scale;
    std::ranges::copy(numbers_of(state),
                      op.loss_scale_numbers.data<std::int64_t>());
  }
}

void write_control(const DecideUpdate& op,
                   const UpdateOutcome& outcome,
                   double factor) {
  float* const control = op.control.data<float>();
  control[kIsUpdated] = outcome.is_made ? 1 : 0;
  control[kFactor] = static_cast<float>(factor);
  control[kUpdateNumber] = update_number(outcome.updates_after);
  if (outcome.is_made) {
    const auto [n, K] = op.rates.dims<2>("rates");
    const std::int64_t first = *op.first_update.data<std::int64_t>();
    const std::int64_t row = outcome.updates_after - first;
    DURE_CHECK(row >= 0 && row < n,
               "update {} has no rates: those given are of {} from {}",
               outcome.updates_after,
               n,
               first);
    std::copy_n(op.rates.data<float>() + row * K, K, control + kDecisions);
  }
}

}  // namespace

void run(OnCpu, Stream& /*stream*/, const DecideUpdate& op) {
  std::int64_t* const counters = op.counters.data<std::int64_t>();
  std::int64_t& made = counters[DecideUpdate::kMade];
  std::int64_t& stopped = counters[DecideUpdate::kStopped];
  const LossScaleState state = state_in(op);
  const double norm = std::sqrt(value_of(op.squares)) / state.scale;
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
    store_state(op, outcome.after);
  }
  outcome.updates_after = made;
  write_control(op, outcome, clip_scale(norm, op.clip) / state.scale);
  std::ranges::copy(numbers_of(outcome), op.outcome.data<std::int64_t>());
}

}  // namespace dure::kernels
