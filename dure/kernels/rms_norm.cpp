#include "dure/kernels/rms_norm.h"

#include "dure/kernels/operands.h"

namespace dure::kernels {

void check(const RmsNorm& op) {
  const auto [N, C] = op.x.dims<2>("x");
  const DType dtype = float_type(op, op.y);
  op.x.expect("x", {N, C}, same_or_f32(op, "x", op.x, dtype));
  op.y.expect("y", {N, C}, dtype);
  op.rstd.expect("rstd", {N}, DType::kF32);
  op.gain.expect("gain", {C}, dtype);
  if (op.bias) {
    op.bias.expect("bias", {C}, dtype);
  }
}

// An element is squared and summed (2), scaled twice (2), and shifted.
Cost cost(const RmsNorm& op) {
  return {.flops = (op.bias ? 5 : 4) * static_cast<double>(op.x.elements()),
          .bytes = bytes_of(op.y, op.rstd, op.x, op.gain, op.bias)};
}

void check(const RmsNormBackward& op) {
  const auto [N, C] = op.x.dims<2>("x");
  const DType dtype = float_type(op, op.d_y);
  const DType residual = same_or_f32(op, "x", op.x, dtype);
  op.x.expect("x", {N, C}, residual);
  op.d_x.expect("d_x", {N, C}, residual);
  op.d_y.expect("d_y", {N, C}, dtype);
  const DType gradients = same_if_half(op, "d_gain", op.d_gain, dtype);
  op.d_gain.expect("d_gain", {C}, gradients);
  if (op.d_bias) {
    op.d_bias.expect("d_bias", {C}, gradients);
  }
  op.gain.expect("gain", {C}, dtype);
  op.rstd.expect("rstd", {N}, DType::kF32);
  if (op.residual) {
    op.residual.expect("residual", {N, C}, residual);
  }
}

// An element takes x' (1), h (1), a sum (2), d_x (4), d_gain (2) and d_bias
// (1).
Cost cost(const RmsNormBackward& op) {
  return {.flops = (op.d_bias ? 11 : 10) * static_cast<double>(op.x.elements()),
          .bytes = bytes_of(op.d_x, op.d_y, op.x, op.residual) +
                   bytes_of(op.gain, op.rstd) +
                   2 * bytes_of(op.d_gain, op.d_bias)};
}

}  // namespace dure::kernels
