#include "dure/kernels/scale_norm.h"

#include "dure/kernels/operands.h"

namespace dure::kernels {

void check(const ScaleNorm& op) {
  const auto [N, C] = op.x.dims<2>("x");
  const DType dtype = float_type(op, op.y);
  op.x.expect("x", {N, C}, same_or_f32(op, "x", op.x, dtype));
  op.y.expect("y", {N, C}, dtype);
  op.inverse.expect("inverse", {N}, DType::kF32);
  op.gain.expect("gain", {1}, dtype);
}

// An element is squared and summed (2), and scaled once.
Cost cost(const ScaleNorm& op) {
  return {.flops = 3 * static_cast<double>(op.x.elements()),
          .bytes = bytes_of(op.y, op.inverse, op.x, op.gain)};
}

void check(const ScaleNormBackward& op) {
  const auto [N, C] = op.x.dims<2>("x");
  const DType dtype = float_type(op, op.d_y);
  const DType residual = same_or_f32(op, "x", op.x, dtype);
  op.x.expect("x", {N, C}, residual);
  op.d_x.expect("d_x", {N, C}, residual);
  op.d_y.expect("d_y", {N, C}, dtype);
  op.d_gain.expect("d_gain", {1}, same_if_half(op, "d_gain", op.d_gain, dtype));
  op.row_sums.expect("row_sums", {N}, DType::kF32);
  op.gain.expect("gain", {1}, dtype);
  op.inverse.expect("inverse", {N}, DType::kF32);
  if (op.residual) {
    op.residual.expect("residual", {N, C}, residual);
  }
}

// An element takes a sum (2) and d_x (4).
Cost cost(const ScaleNormBackward& op) {
  return {.flops = 6 * static_cast<double>(op.x.elements()),
          .bytes = bytes_of(op.d_x, op.d_y, op.x, op.residual) +
                   bytes_of(op.gain, op.inverse) + bytes_of(op.row_sums)};
}

}  // namespace dure::kernels
