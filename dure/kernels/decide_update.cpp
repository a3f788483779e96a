#include "dure/kernels/decide_update.h"

namespace dure::kernels {

namespace {

void check_loss_scale(const DecideUpdate& op) {
  const bool has_rule = op.rule.kind != LossScaleKind::kNone;
  if (has_rule || op.loss_scale) {
    op.loss_scale.expect("loss_scale", {1}, DType::kF32);
  }
  if (has_rule || op.loss_scale_numbers) {
    op.loss_scale_numbers.expect(
        "loss_scale_numbers", {kLossScaleNumbers}, DType::kI64);
  }
  DURE_CHECK(op.rule.window > 0 && op.rule.hysteresis > 0,
             "wanted a window and a hysteresis of a loss scale of 1 at least, "
             "got {} and {}",
             op.rule.window,
             op.rule.hysteresis);
  DURE_CHECK(op.rule.minimum > 0,
             "wanted a loss scale's minimum above 0, got {}",
             op.rule.minimum);
}

}  // namespace

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
  check_loss_scale(op);
}

Cost cost(const DecideUpdate& op) {
  return {.flops = static_cast<double>(2 * kSumDigits),
          .bytes = static_cast<double>(op.loss.size_bytes() +
                                       op.squares.size_bytes() +
                                       op.control.size_bytes())};
}

}  // namespace dure::kernels
