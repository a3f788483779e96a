#include "dure/kernels/cross_entropy.h"

#include "dure/kernels/operands.h"

namespace dure::kernels {
namespace {

void check_rows(std::int64_t N, ConstTensor maximum, ConstTensor sums) {
  maximum.expect("maximum", {N}, DType::kF32);
  sums.expect("sums", {2, N}, DType::kF64);
}

// Checks the weights of rows in the loss.
void check_weights(const ConstTensor& weights, std::int64_t N) {
  if (weights) {
    weights.expect("weights", {N}, DType::kF32);
  }
}

void check_columns(std::int64_t first_column, std::int64_t vocabulary) {
  DURE_CHECK(first_column >= 0 && vocabulary >= 1,
             "logits from column {} on of a vocabulary of {}: wanted a column "
             "of 0 or more, and a vocabulary of 1 or more",
             first_column,
             vocabulary);
}

}  // namespace

void check(const LogitStatistics& op) {
  const auto [N, columns] = op.logits.dims<2>("logits");
  op.logits.expect("logits", {N, columns}, DType::kF32);
  op.targets.expect("targets", {N}, DType::kI32);
  check_rows(N, op.maximum, op.sums);
  check_columns(op.first_column, op.vocabulary);
}

// Counts a comparison, an exponential of some ten operations, and a sum for
// each logit. A row stays in cache between the two passes.
Cost cost(const LogitStatistics& op) {
  const auto elements = static_cast<double>(op.logits.elements());
  return {.flops = 12 * elements,
          .bytes = bytes_of(op.logits, op.targets, op.maximum, op.sums)};
}

void check(const RescaleSums& op) {
  const auto [N] = op.own.dims<1>("own");
  op.own.expect("own", {N}, DType::kF32);
  check_rows(N, op.maximum, op.sums);
}

// Counts an exponential in f64 as some twenty operations.
Cost cost(const RescaleSums& op) {
  const auto rows = static_cast<double>(op.own.elements());
  return {.flops = 22 * rows,
          .bytes = bytes_of(op.own, op.maximum) + 2 * bytes_of(op.sums)};
}

void check(const CrossEntropyLoss& op) {
  const auto [N] = op.loss.dims<1>("loss");
  op.loss.expect("loss", {N}, DType::kF32);
  op.targets.expect("targets", {N}, DType::kI32);
  check_weights(op.weights, N);
  check_rows(N, op.maximum, op.sums);
}

Cost cost(const CrossEntropyLoss& op) {
  const auto rows = static_cast<double>(op.loss.elements());
  return {
      .flops = 22 * rows,
      .bytes = bytes_of(op.loss, op.maximum, op.sums, op.targets, op.weights)};
}

void check(const CrossEntropyGradient& op) {
  const auto [N, columns] = op.logits.dims<2>("logits");
  op.logits.expect("logits", {N, columns}, DType::kF32);
  op.targets.expect("targets", {N}, DType::kI32);
  check_weights(op.weights, N);
  op.d_loss.expect("d_loss", {1}, DType::kF32);
  check_rows(N, op.maximum, op.sums);
  check_columns(op.first_column, op.vocabulary);
}

// Counts the exponential again, and a product.
Cost cost(const CrossEntropyGradient& op) {
  const auto elements = static_cast<double>(op.logits.elements());
  return {.flops = 12 * elements,
          .bytes = 2 * bytes_of(op.logits) +
                   bytes_of(op.maximum, op.sums, op.targets, op.weights)};
}

}  // namespace dure::kernels
