#include "dure/kernels/cross_entropy.h"

namespace dure::kernels {

void check(const CrossEntropy& op) {
  const auto [N, columns] = op.logits.dims<2>("logits");
  op.logits.expect("logits", {N, columns});
  op.loss.expect("loss", {N});
  op.targets.expect("targets", {N}, DType::kI32);
  DURE_CHECK(op.vocabulary >= 1 && op.vocabulary <= columns,
             "a vocabulary of ",
             op.vocabulary,
             " does not fit logits of ",
             columns,
             " columns");
}

// Of each logit: a comparison, an exponential of some ten operations, a sum;
// for the gradient a product more. Rows stay in cache between the passes.
Cost cost(const CrossEntropy& op) {
  const auto elements = static_cast<double>(op.logits.elements());
  const bool gradient = op.gradient == Gradient::kInPlace;
  return {.flops = (gradient ? 13 : 12) * elements,
          .bytes = (gradient ? 2 : 1) * sizeof(float) * elements};
}

}  // namespace dure::kernels
