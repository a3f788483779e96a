#include "dure/kernels/layer_norm.h"

namespace dure::kernels {

void check(const LayerNorm& op) {
  const auto [N, C] = op.x.dims<2>("x");
  op.x.expect("x", {N, C});
  op.y.expect("y", {N, C});
  op.mean.expect("mean", {N});
  op.rstd.expect("rstd", {N});
  op.gain.expect("gain", {C});
  op.bias.expect("bias", {C});
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
  op.x.expect("x", {N, C});
  op.d_x.expect("d_x", {N, C});
  op.d_y.expect("d_y", {N, C});
  op.d_gain.expect("d_gain", {C});
  op.d_bias.expect("d_bias", {C});
  op.gain.expect("gain", {C});
  op.mean.expect("mean", {N});
  op.rstd.expect("rstd", {N});
  if (op.residual) {
    op.residual.expect("residual", {N, C});
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
