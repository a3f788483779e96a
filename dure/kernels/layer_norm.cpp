#include "dure/kernels/layer_norm.h"

namespace dure::kernels {

void check(const LayerNorm& op) {
  const auto [N, C] = op.x.dims<2>("x");
  op.x.expect("x", {N, C}, DType::kF32);
  op.y.expect("y", {N, C}, DType::kF32);
  op.mean.expect("mean", {N}, DType::kF32);
  op.rstd.expect("rstd", {N}, DType::kF32);
  op.gain.expect("gain", {C}, DType::kF32);
  op.bias.expect("bias", {C}, DType::kF32);
}

// An element is summed (1), centred, squared and summed (3), normalised (2)
// and transformed (2).
Cost cost(const LayerNorm& op) {
  const auto [N, C] = op.x.dims<2>("x");
  const auto elements = static_cast<double>(N * C);
  const auto others = static_cast<double>(2 * N + 2 * C);
  return {.flops = 8 * elements,
          .bytes = sizeof(float) * (2 * elements + others)};
}

void check(const LayerNormBackward& op) {
  const auto [N, C] = op.x.dims<2>("x");
  op.x.expect("x", {N, C}, DType::kF32);
  op.d_x.expect("d_x", {N, C}, DType::kF32);
  op.d_y.expect("d_y", {N, C}, DType::kF32);
  op.d_gain.expect("d_gain", {C}, DType::kF32);
  op.d_bias.expect("d_bias", {C}, DType::kF32);
  op.gain.expect("gain", {C}, DType::kF32);
  op.mean.expect("mean", {N}, DType::kF32);
  op.rstd.expect("rstd", {N}, DType::kF32);
  if (op.residual) {
    op.residual.expect("residual", {N, C}, DType::kF32);
  }
}

// An element takes x' (2), h (1), two sums (3), d_x (5), and d_gain and d_bias
// (3).
Cost cost(const LayerNormBackward& op) {
  const auto [N, C] = op.x.dims<2>("x");
  const auto elements = static_cast<double>(N * C);
  const double streams = op.residual ? 4 : 3;
  const double gradients = op.write == Write::kAdd ? 4 : 2;
  const auto others =
      static_cast<double>(2 * N) + (1 + gradients) * static_cast<double>(C);
  return {.flops = 14 * elements,
          .bytes = sizeof(float) * (streams * elements + others)};
}

}  // namespace dure::kernels
