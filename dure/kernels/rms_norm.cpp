#include "dure/kernels/rms_norm.h"

#include "dure/kernels/operands.h"

namespace dure::kernels {

void check(const RmsNorm& op) {
  const auto [N, C] = op.x.dims<2>("x");
  const DType dtype = float_type(op, op.x);
  op.x.expect("x", {N, C}, dtype);
  op.y.expect("y", {N, C}, dtype);
  op.rstd.expect("rstd", {N}, DType::kF32);
  op.gain.expect("gain", {C}, dtype);
}

// An element is squared and summed (2), and scaled twice (2).
Cost cost(const RmsNorm& op) {
  return {.flops = 4 * static_cast<double>(op.x.elements()),
          .bytes = bytes_of(op.y, op.rstd, op.x, op.gain)};
}

void check(const RmsNormBackward& op) {
  const auto [N, C] = op.x.dims<2>("x");
  const DType dtype = float_type(op, op.x);
  op.x.expect("x", {N, C}, dtype);
  op.d_x.expect("d_x", {N, C}, dtype);
  op.d_y.expect("d_y", {N, C}, dtype);
  op.d_gain.expect("d_gain", {C}, float_type(op, op.d_gain));
  op.gain.expect("gain", {C}, dtype);
  op.rstd.expect("rstd", {N}, DType::kF32);
  if (op.residual) {
    op.residual.expect("residual", {N, C}, dtype);
  }
}

// An element takes x' (1), h (1), a sum (2), d_x (4) and d_gain (2).
Cost cost(const RmsNormBackward& op) {
  return {.flops = 10 * static_cast<double>(op.x.elements()),
          .bytes = bytes_of(op.d_x, op.d_y, op.x, op.residual) +
                   bytes_of(op.gain, op.rstd) + 2 * bytes_of(op.d_gain)};
}

}  // namespace dure::kernels
