#include "dure/kernels/layer_norm.h"

#include "dure/kernels/operands.h"

namespace dure::kernels {

void check(const LayerNorm& op) {
  const auto [N, C] = op.x.dims<2>("x");
  const DType dtype = float_type(op, op.y);
  op.x.expect("x", {N, C}, same_or_f32(op, "x", op.x, dtype));
  op.y.expect("y", {N, C}, dtype);
  op.mean.expect("mean", {N}, DType::kF32);
  op.rstd.expect("rstd", {N}, DType::kF32);
  op.gain.expect("gain", {C}, dtype);
  if (op.bias) {
    op.bias.expect("bias", {C}, dtype);
  }
}

// An element is summed (1), centred, squared and summed (3), normalised (2) and
// transformed (2).
Cost cost(const LayerNorm& op) {
  return {.flops = 8 * static_cast<double>(op.x.elements()),
          .bytes = bytes_of(op.y, op.mean, op.rstd, op.x, op.gain, op.bias)};
}

void check(const LayerNormBackward& op) {
  const auto [N, C] = op.x.dims<2>("x");
  const DType dtype = float_type(op, op.d_y);
  const DType residual = same_or_f32(op, "x", op.x, dtype);
  const DType gradients = same_if_half(op, "d_gain", op.d_gain, dtype);
  op.x.expect("x", {N, C}, residual);
  op.d_x.expect("d_x", {N, C}, residual);
  op.d_y.expect("d_y", {N, C}, dtype);
  op.d_gain.expect("d_gain", {C}, gradients);
  if (op.d_bias) {
    op.d_bias.expect("d_bias", {C}, gradients);
  }
  op.gain.expect("gain", {C}, dtype);
  op.mean.expect("mean", {N}, DType::kF32);
  op.rstd.expect("rstd", {N}, DType::kF32);
  if (op.residual) {
    op.residual.expect("residual", {N, C}, residual);
  }
}

// An element takes x' (2), h (1), two sums (3), d_x (5), and d_gain and d_bias
// (3).
Cost cost(const LayerNormBackward& op) {
  const double visits = op.write == Write::kAdd ? 2 : 1;
  return {.flops = 14 * static_cast<double>(op.x.elements()),
          .bytes = bytes_of(op.d_x, op.d_y, op.x, op.residual) +
                   bytes_of(op.gain, op.mean, op.rstd) +
                   visits * bytes_of(op.d_gain, op.d_bias)};
}

}  // namespace dure::kernels
