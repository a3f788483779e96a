#include "dure/kernels/embedding.h"

#include "dure/kernels/operands.h"

namespace dure::kernels {
namespace {

void check_rows(const TableRows& rows, std::int64_t held) {
  DURE_CHECK(rows.first >= 0 && rows.first + held <= rows.all,
             "rows {} to {} are not all of a table of {}",
             rows.first,
             rows.first + held - 1,
             rows.all);
}

}  // namespace

void check(const Embedding& op) {
  const auto [N, C] = op.y.dims<2>("y");
  const auto [V, C2] = op.token.dims<2>("token");
  const DType dtype = float_type(op, op.token);
  op.y.expect("y", {N, C}, same_or_f32(op, "y", op.y, dtype));
  op.ids.expect("ids", {N}, DType::kI32);
  op.token.expect("token", {V, C}, dtype);
  check_rows(op.token_rows, V);
  if (op.position) {
    const auto [S, C3] = op.position.dims<2>("position");
    op.position.expect("position", {S, C}, dtype);
    op.positions.expect("positions", {N}, DType::kI32);
  }
}

Cost cost(const Embedding& op) {
  const auto elements = static_cast<double>(op.y.elements());
  const auto size = static_cast<double>(size_of(op.token.dtype()));
  const double tables = op.position ? 2 : 1;
  return {.flops = (tables - 1) * elements,
          .bytes = bytes_of(op.y) + tables * size * elements};
}

void check(const EmbeddingBackward& op) {
  const auto [N, C] = op.d_y.dims<2>("d_y");
  const auto [V, C2] = op.d_table.dims<2>("d_table");
  const DType dtype = float_type(op, op.d_y);
  op.d_y.expect("d_y", {N, C}, dtype);
  op.indices.expect("indices", {N}, DType::kI32);
  op.d_table.expect(
      "d_table", {V, C}, same_if_half(op, "d_table", op.d_table, dtype));
  check_rows(op.rows, V);
}

// Counts a row that is read, and added to another.
Cost cost(const EmbeddingBackward& op) {
  const auto elements = static_cast<double>(op.d_y.elements());
  const auto size = static_cast<double>(size_of(op.d_table.dtype()));
  return {.flops = elements, .bytes = bytes_of(op.d_y) + 2 * size * elements};
}

}  // namespace dure::kernels
