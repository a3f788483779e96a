#include "dure/kernels/lamb.h"

#include "dure/kernels/squared_norm.h"

namespace dure::kernels {
namespace {

constexpr std::size_t kStates = 2;

void check_sums(ConstTensor sums, std::span<const UpdateSpan> spans) {
  const auto [weights, kinds, digits] = sums.dims<3>("sums");
  sums.expect("sums", {weights, kLambSums, kSumDigits}, DType::kI64);
  for (const UpdateSpan& span : spans) {
    DURE_CHECK(span.row >= 0 && span.row < weights,
               "a span is of weight {}, and there are sums of {}",
               span.row,
               weights);
  }
}

}  // namespace

void check(const LambMeasure& op) {
  check_spans(op.spans, kStates);
  check_control(op.control, LambMeasure::kRates);
  check_sums(op.sums, op.spans);
}

// The master is read, not written, and the weight is not used.
Cost cost(const LambMeasure& op) {
  Cost sum = {
      .flops = 22 * elements_of(op.spans),
      .bytes = update_bytes(op.spans, kStates) - weight_bytes(op.spans)};
  for (const UpdateSpan& span : op.spans) {
    sum.bytes -= static_cast<double>(span.master.size_bytes());
  }
  return sum;
}

void check(const LambUpdate& op) {
  check_spans(op.spans, kStates);
  check_control(op.control, LambMeasure::kRates);
  check_sums(op.sums, op.spans);
}

// States are read, gradients are not.
Cost cost(const LambUpdate& op) {
  Cost sum = {.flops = 10 * elements_of(op.spans),
              .bytes = update_bytes(op.spans, 0)};
  for (const UpdateSpan& span : op.spans) {
    sum.bytes += static_cast<double>(span.states[0].size_bytes() +
                                     span.states[1].size_bytes());
    sum.bytes -= static_cast<double>(span.gradient.size_bytes());
  }
  return sum;
}

}  // namespace dure::kernels
