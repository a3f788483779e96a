#include "dure/kernels/attention.h"
#include "dure/kernels/attention_check.h"
#include "dure/kernels/operands.h"

namespace dure::kernels {

void check(const AttentionBackward& op) {
  const AttentionInputs& in = op.in;
  const DType dtype = float_type(op, in.q.tensor);
  check_inputs(in, dtype);
  check_mask(op.mask);
  const Shape output = output_shape(in);
  op.d_y.expect("d_y", output, dtype);
  op.y.expect("y", output, dtype);
  op.lse.expect("lse", {output[0], in.q.at.heads}, DType::kF32);
  expect_heads("d_q", op.d_q, in.q.at, dtype);
  expect_heads("d_k", op.d_k, in.k.at, dtype);
  expect_heads("d_v", op.d_v, in.v.at, dtype);
  if (op.d_table || in.bias.table) {
    op.d_table.expect(
        "d_table", in.bias.table.shape(), float_type(op, op.d_table));
  }
  check_scratch(op.scratch, attention_scratch(in, 1, op.d_table.dtype()));
}

// Counts the scores again, and the gradients of the probabilities, q, k and v.
Cost cost(const AttentionBackward& op) {
  const AttentionInputs& in = op.in;
  Cost cost = cost_of_pairs(in, 5);
  const std::int64_t gradients = in.q.at.elements() + 2 * in.k.at.elements();
  cost.bytes +=
      static_cast<double>(gradients * size_of(op.d_q.tensor.dtype())) +
      bytes_of(op.d_y, op.y, op.lse, op.d_table);
  return cost;
}

}  // namespace dure::kernels
