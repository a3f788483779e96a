#include "dure/train/update_record.h"

#include <span>

namespace dure::train {
namespace {

using kernels::CountExponents;
using kernels::DecideUpdate;
using kernels::kSumDigits;

constexpr auto kDigits = static_cast<std::size_t>(kSumDigits);

ExactSum sum_in(const std::vector<std::int64_t>& digits, std::int64_t row) {
  return ExactSum(std::span(digits)
                      .subspan(static_cast<std::size_t>(row) * kDigits)
                      .first<kDigits>());
}

}  // namespace

Tensor UpdateRecord::losses() const {
  return sums.rows(kLosses, 1).reshaped({steps(), kSumDigits});
}

Tensor UpdateRecord::loss(std::int64_t step) const {
  return losses().rows(step, 1).reshaped({kSumDigits});
}

Tensor UpdateRecord::squares(std::int64_t step) const {
  return sums.rows(kSquares, 1)
      .reshaped({steps(), kSumDigits})
      .rows(step, 1)
      .reshaped({kSumDigits});
}

Tensor UpdateRecord::first_gradient(std::int64_t step) const {
  return first_nonfinite.rows(kGradients, 1).reshaped({steps()}).rows(step, 1);
}

Tensor UpdateRecord::first_weight(std::int64_t step) const {
  return first_nonfinite.rows(kWeights, 1).reshaped({steps()}).rows(step, 1);
}

ExactSum UpdateRecord::host_loss(std::int64_t step) const {
  return sum_in(host_sums, kLosses * steps() + step);
}

ExactSum UpdateRecord::host_squares(std::int64_t step) const {
  return sum_in(host_sums, kSquares * steps() + step);
}

kernels::UpdateOutcome UpdateRecord::outcome(std::int64_t step) const {
  constexpr auto kOutcomes = static_cast<std::size_t>(DecideUpdate::kOutcomes);
  return kernels::outcome_in(
      std::span(host_outcomes)
          .subspan(static_cast<std::size_t>(step) * kOutcomes)
          .first<kOutcomes>());
}

bool UpdateRecord::is_made(std::int64_t step) const {
  return outcome(step).is_made;
}

std::optional<GradientExponents> UpdateRecord::gradient_exponents(
    std::int64_t step, LossIs loss) const {
  if (!is_counted[static_cast<std::size_t>(step)]) {
    return std::nullopt;
  }
  constexpr auto kCounts = static_cast<std::size_t>(CountExponents::kCounts);
  return train::gradient_exponents(
      std::span(host_exponents)
          .subspan(static_cast<std::size_t>(step) * kCounts)
          .first<kCounts>(),
      outcome(step).scale_used,
      loss);
}

}  // namespace dure::train
