#include "dure/kernels/attention.h"

#include "dure/kernels/attention_check.h"
#include "dure/kernels/operands.h"

namespace dure::kernels {
namespace {

void check_heads(const AttentionInputs& in, DType dtype) {
  const HeadLayout& q = in.q.at;
  const HeadLayout& k = in.k.at;
  DURE_CHECK(q.samples >= 0 && q.rows >= 0 && k.rows >= 0 && q.heads > 0 &&
                 k.heads > 0 && q.head_dim > 0,
             "attention needs heads of at least one element, not {} heads, {} "
             "kv_heads of {} over {} x {}",
             q.heads,
             k.heads,
             q.head_dim,
             q.samples,
             q.rows);
  DURE_CHECK(q.heads % k.heads == 0,
             "{} heads cannot share {} kv_heads evenly: make one a multiple of "
             "the other",
             q.heads,
             k.heads);
  HeadLayout wanted = {.samples = q.samples,
                       .rows = q.rows,
                       .heads = q.heads,
                       .head_dim = q.head_dim};
  expect_heads("q", in.q, wanted, dtype);
  wanted.rows = k.rows;
  wanted.heads = k.heads;
  expect_heads("k", in.k, wanted, dtype);
  expect_heads("v", in.v, wanted, dtype);
}

void check_bias(const AttentionBias& bias, std::int64_t heads, DType dtype) {
  const auto slopes = static_cast<std::int64_t>(bias.slopes.size());
  DURE_CHECK(slopes == 0 || slopes == heads,
             "there are {} slopes for {} heads",
             slopes,
             heads);
  if (bias.table) {
    const std::int64_t distances = bias.table.dims<2>("table")[1];
    const bool wide = bias.table.dtype() == DType::kF32;
    bias.table.expect("table", {heads, distances}, wide ? DType::kF32 : dtype);
    DURE_CHECK(bias.zero >= 0 && bias.zero < distances,
               "a table of {} distances has no column {} for distance 0",
               distances,
               bias.zero);
  }
}

}  // namespace

void check_inputs(const AttentionInputs& in, DType dtype) {
  check_heads(in, dtype);
  check_pattern(in.pattern, in.q.at.samples, in.lengths());
  check_bias(in.bias, in.q.at.heads, dtype);
  DURE_CHECK(
      in.scale > 0,
      "attention's scale is positive, such as 1 / sqrt(head_dim), not {:g}",
      in.scale);
  DURE_CHECK(in.part >= 0 && in.part < in.parts,
             "there is no part {} of {} of the heads",
             in.part,
             in.parts);
}

void check_scratch(const Tensor& scratch, std::int64_t least) {
  const auto [floats] = scratch.dims<1>("scratch");
  scratch.expect("scratch", {floats}, DType::kF32);
  DURE_CHECK(floats >= least,
             "attention's scratch has {} elements, wanted at least {}",
             floats,
             least);
}

Shape output_shape(const AttentionInputs& in) {
  const HeadLayout& q = in.q.at;
  return {q.samples * q.rows, q.heads * q.head_dim};
}

Cost cost_of_pairs(const AttentionInputs& in, int products) {
  const HeadLayout& q = in.q.at;
  const HeadLayout& k = in.k.at;
  const auto row = static_cast<double>(k.samples * k.heads * k.head_dim);
  const double elements = static_cast<double>(q.elements()) +
                          2 * row * keys_seen(in.pattern, in.lengths());
  return {
      .flops = 2 * products * pairs(in.pattern, in.lengths()) *
               static_cast<double>(q.samples * q.heads * q.head_dim),
      .bytes = elements * static_cast<double>(size_of(in.q.tensor.dtype())) +
               bytes_of(in.bias.table)};
}

void check(const Attention& op) {
  const DType dtype = float_type(op, op.in.q.tensor);
  check_inputs(op.in, dtype);
  check_mask(op.mask);
  const Shape output = output_shape(op.in);
  op.y.expect("y", output, dtype);
  op.lse.expect("lse", {output[0], op.in.q.at.heads}, DType::kF32);
  check_scratch(op.scratch, attention_scratch(op.in, 1));
}

// Counts the scores, and their product with the values.
Cost cost(const Attention& op) {
  Cost cost = cost_of_pairs(op.in, 2);
  cost.bytes += bytes_of(op.y, op.lse);
  return cost;
}

}  // namespace dure::kernels
