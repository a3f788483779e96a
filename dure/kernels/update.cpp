#include "dure/kernels/update.h"

namespace dure::kernels {
namespace {

template <typename Spans>
double elements_of(const Spans& spans) {
  double sum = 0;
  for (const auto& span : spans) {
    sum += static_cast<double>(span.gradient.elements());
  }
  return sum;
}

}  // namespace

void check(const AdamW& op) {
  for (const AdamWSpan& span : op.spans) {
    const auto [n] = span.weight.dims<1>("weight");
    span.weight.expect("weight", {n}, DType::kF32);
    span.gradient.expect("gradient", {n}, DType::kF32);
    span.momentum.expect("momentum", {n}, DType::kF32);
    span.variance.expect("variance", {n}, DType::kF32);
  }
  DURE_CHECK(op.step >= 1, "an update counts from 1, not ", op.step);
}

// Reads four arrays and writes three; some fifteen operations an element.
Cost cost(const AdamW& op) {
  const double elements = elements_of(op.spans);
  return {.flops = 15 * elements, .bytes = 7 * sizeof(float) * elements};
}

void check(const Sgd& op) {
  for (const SgdSpan& span : op.spans) {
    const auto [n] = span.weight.dims<1>("weight");
    span.weight.expect("weight", {n}, DType::kF32);
    span.gradient.expect("gradient", {n}, DType::kF32);
    if (op.momentum != 0) {
      span.momentum.expect("momentum", {n}, DType::kF32);
    }
  }
}

Cost cost(const Sgd& op) {
  const double elements = elements_of(op.spans);
  const double arrays = op.momentum != 0 ? 5 : 3;
  return {.flops = 6 * elements, .bytes = arrays * sizeof(float) * elements};
}

void check(const SquaredNorm& op) {
  DURE_CHECK(op.sums.size() == op.spans.size(),
             op.spans.size(),
             " tensors want as many sums, not ",
             op.sums.size());
  for (const ConstTensor& span : op.spans) {
    span.expect("span", span.shape(), DType::kF32);
  }
}

Cost cost(const SquaredNorm& op) {
  double elements = 0;
  for (const ConstTensor& span : op.spans) {
    elements += static_cast<double>(span.elements());
  }
  return {.flops = 2 * elements, .bytes = sizeof(float) * elements};
}

}  // namespace dure::kernels
