#include "dure/kernels/embedding.h"

namespace dure::kernels {

void check(const Embedding& op) {
  const auto [N, C] = op.y.dims<2>("y");
  const auto [V, C2] = op.token.dims<2>("token");
  op.y.expect("y", {N, C});
  op.ids.expect("ids", {N}, DType::kI32);
  op.token.expect("token", {V, C});
  if (op.position) {
    const auto [S, C3] = op.position.dims<2>("position");
    op.position.expect("position", {S, C});
    op.positions.expect("positions", {N}, DType::kI32);
  }
}

Cost cost(const Embedding& op) {
  const auto elements = static_cast<double>(op.y.elements());
  const double streams = op.position ? 3 : 2;
  return {.flops = op.position ? elements : 0,
          .bytes = streams * sizeof(float) * elements};
}

void check(const EmbeddingBackward& op) {
  const auto [N, C] = op.d_y.dims<2>("d_y");
  const auto [V, C2] = op.d_token.dims<2>("d_token");
  op.d_y.expect("d_y", {N, C});
  op.ids.expect("ids", {N}, DType::kI32);
  op.d_token.expect("d_token", {V, C});
  if (op.d_position) {
    const auto [S, C3] = op.d_position.dims<2>("d_position");
    op.d_position.expect("d_position", {S, C});
    op.positions.expect("positions", {N}, DType::kI32);
  }
}

// A row is read, and added to one or two others.
Cost cost(const EmbeddingBackward& op) {
  const auto elements = static_cast<double>(op.d_y.elements());
  const double tables = op.d_position ? 2 : 1;
  return {.flops = tables * elements,
          .bytes = (1 + 2 * tables) * sizeof(float) * elements};
}

}  // namespace dure::kernels
