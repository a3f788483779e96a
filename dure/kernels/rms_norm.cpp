#include "dure/kernels/rms_norm.h"

namespace dure::kernels {

void check(const RmsNorm& op) {
  const auto [N, C] = op.x.dims<2>("x");
  op.x.expect("x", {N, C}, DType::kF32);
  op.y.expect("y", {N, C}, DType::kF32);
  op.rstd.expect("rstd", {N}, DType::kF32);
  op.gain.expect("gain", {C}, DType::kF32);
}

// An element is squared and summed (2), and scaled twice (2).
Cost cost(const RmsNorm& op) {
  const auto [N, C] = op.x.dims<2>("x");
  const auto elements = static_cast<double>(N * C);
  return {.flops = 4 * elements,
          .bytes = sizeof(float) * (2 * elements + static_cast<double>(N + C))};
}

void check(const RmsNormBackward& op) {
  const auto [N, C] = op.x.dims<2>("x");
  op.x.expect("x", {N, C}, DType::kF32);
  op.d_x.expect("d_x", {N, C}, DType::kF32);
  op.d_y.expect("d_y", {N, C}, DType::kF32);
  op.d_gain.expect("d_gain", {C}, DType::kF32);
  op.gain.expect("gain", {C}, DType::kF32);
  op.rstd.expect("rstd", {N}, DType::kF32);
  if (op.residual) {
    op.residual.expect("residual", {N, C}, DType::kF32);
  }
}

// An element takes x' (1), h (1), a sum (2), d_x (4) and d_gain (2).
Cost cost(const RmsNormBackward& op) {
  const auto [N, C] = op.x.dims<2>("x");
  const auto elements = static_cast<double>(N * C);
  const double streams = op.residual ? 4 : 3;
  return {.flops = 10 * elements,
          .bytes = sizeof(float) *
                   (streams * elements + static_cast<double>(N + 3 * C))};
}

}  // namespace dure::kernels
