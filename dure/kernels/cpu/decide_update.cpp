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

}  // namespace

void run(OnCpu, Stream& /*stream*/, const DecideUpdate& op) {
  const double norm = std::sqrt(value_of(op.squares));
  const bool finite = std::isfinite(norm) && std::isfinite(value_of(op.loss));
  std::int64_t* const counters = op.counters.data<std::int64_t>();
  std::int64_t& made = counters[DecideUpdate::kMade];
  std::int64_t& stopped = counters[DecideUpdate::kStopped];
  if (!finite && op.after_nonfinite == AfterNonfinite::kStop) {
    stopped = 1;
  }
  const bool is_made = finite && stopped == 0;
  float* const control = op.control.data<float>();
  control[kIsUpdated] = is_made ? 1 : 0;
  control[kFactor] = static_cast<float>(clip_scale(norm, op.clip));
  if (is_made) {
    const auto [n, K] = op.rates.dims<2>("rates");
    const std::int64_t row = ++made - *op.first_update.data<std::int64_t>();
    DURE_CHECK(row >= 0 && row < n,
               "update {} has no rates: those given are of {} from {}",
               made,
               n,
               made - row);
    std::copy_n(op.rates.data<float>() + row * K, K, control + kDecisions);
  }
  control[kUpdateNumber] = update_number(made);
  std::int64_t* const outcome = op.outcome.data<std::int64_t>();
  outcome[DecideUpdate::kIsMade] = is_made ? 1 : 0;
  outcome[DecideUpdate::kUpdatesAfter] = made;
}

}  // namespace dure::kernels
