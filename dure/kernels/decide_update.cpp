#include "dure/kernels/decide_update.h"

namespace dure::kernels {

void check(const DecideUpdate& op) {
  const auto [n, K] = op.rates.dims<2>("rates");
  DURE_CHECK(n > 0, "wanted the rates of one update at least");
  op.rates.expect("rates", {n, K}, DType::kF32);
  check_control(op.control, K);
  op.outcome.expect("outcome", {DecideUpdate::kOutcomes}, DType::kI64);
  op.counters.expect("counters", {DecideUpdate::kCounters}, DType::kI64);
  op.loss.expect("loss", {kSumDigits}, DType::kI64);
  op.squares.expect("squares", {kSumDigits}, DType::kI64);
  op.first_update.expect("first_update", {1}, DType::kI64);
}

Cost cost(const DecideUpdate& op) {
  return {.flops = static_cast<double>(2 * kSumDigits),
          .bytes = static_cast<double>(op.loss.size_bytes() +
                                       op.squares.size_bytes() +
                                       op.control.size_bytes())};
}

}  // namespace dure::kernels
