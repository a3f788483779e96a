#include "dure/kernels/activation.h"

#include "dure/kernels/operands.h"

namespace dure::kernels {

void check(const Gelu& op) {
  const auto [N, F] = op.x.dims<2>("x");
  const DType dtype = float_type(op, op.x);
  op.x.expect("x", {N, F}, dtype);
  op.y.expect("y", {N, F}, dtype);
}

// The exponential counts as 12 operations: its polynomial and its scaling.
Cost cost(const Gelu& op) {
  return {.flops = 18 * static_cast<double>(op.x.elements()),
          .bytes = bytes_of(op.y, op.x)};
}

void check(const GeluBackward& op) {
  const auto [N, F] = op.x.dims<2>("x");
  const DType dtype = float_type(op, op.x);
  op.x.expect("x", {N, F}, dtype);
  op.d_y.expect("d_y", {N, F}, dtype);
  op.d_x.expect("d_x", {N, F}, dtype);
}

Cost cost(const GeluBackward& op) {
  return {.flops = 26 * static_cast<double>(op.x.elements()),
          .bytes = bytes_of(op.d_x, op.d_y, op.x)};
}

void check(const Swiglu& op) {
  const auto [N, F] = op.y.dims<2>("y");
  const DType dtype = float_type(op, op.y);
  op.y.expect("y", {N, F}, dtype);
  op.gate_up.expect("gate_up", {N, 2 * F}, dtype);
}

Cost cost(const Swiglu& op) {
  return {.flops = 16 * static_cast<double>(op.y.elements()),
          .bytes = bytes_of(op.y, op.gate_up)};
}

void check(const SwigluBackward& op) {
  const auto [N, F] = op.d_y.dims<2>("d_y");
  const DType dtype = float_type(op, op.d_y);
  op.d_y.expect("d_y", {N, F}, dtype);
  op.gate_up.expect("gate_up", {N, 2 * F}, dtype);
  op.d_gate_up.expect("d_gate_up", {N, 2 * F}, dtype);
}

Cost cost(const SwigluBackward& op) {
  return {.flops = 22 * static_cast<double>(op.d_y.elements()),
          .bytes = bytes_of(op.d_gate_up, op.d_y, op.gate_up)};
}

}  // namespace dure::kernels
