#include "dure/kernels/activation.h"

namespace dure::kernels {
namespace {

// A pass over elements with this many streams of f32.
Cost elementwise_cost(std::int64_t elements, double flops, double streams) {
  const auto count = static_cast<double>(elements);
  return {.flops = flops * count, .bytes = sizeof(float) * streams * count};
}

}  // namespace

void check(const Gelu& op) {
  const auto [N, F] = op.x.dims<2>("x");
  op.x.expect("x", {N, F}, DType::kF32);
  op.y.expect("y", {N, F}, DType::kF32);
}

// The exponential counts as 12: its polynomial and its scaling.
Cost cost(const Gelu& op) {
  return elementwise_cost(op.x.elements(), 18, 2);
}

void check(const GeluBackward& op) {
  const auto [N, F] = op.x.dims<2>("x");
  op.x.expect("x", {N, F}, DType::kF32);
  op.d_y.expect("d_y", {N, F}, DType::kF32);
  op.d_x.expect("d_x", {N, F}, DType::kF32);
}

Cost cost(const GeluBackward& op) {
  return elementwise_cost(op.x.elements(), 26, 3);
}

void check(const Swiglu& op) {
  const auto [N, F] = op.y.dims<2>("y");
  op.y.expect("y", {N, F}, DType::kF32);
  op.gate_up.expect("gate_up", {N, 2 * F}, DType::kF32);
}

Cost cost(const Swiglu& op) {
  return elementwise_cost(op.y.elements(), 16, 3);
}

void check(const SwigluBackward& op) {
  const auto [N, F] = op.d_y.dims<2>("d_y");
  op.d_y.expect("d_y", {N, F}, DType::kF32);
  op.gate_up.expect("gate_up", {N, 2 * F}, DType::kF32);
  op.d_gate_up.expect("d_gate_up", {N, 2 * F}, DType::kF32);
}

Cost cost(const SwigluBackward& op) {
  return elementwise_cost(op.d_y.elements(), 22, 5);
}

}  // namespace dure::kernels
