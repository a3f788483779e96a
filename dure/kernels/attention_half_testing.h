// Attention on bf16 and f16: the operands of its examples for half_testing.h.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "dure/kernels/attention_examples_testing.h"
#include "dure/kernels/attention_testing.h"
#include "dure/kernels/half_testing.h"

namespace dure::kernels {

// Every kind of shape, pattern and bias, without dropout and with it.
inline std::vector<AttentionExample> attention_half_examples() {
  std::vector<AttentionExample> examples = attention_examples();
  for (const AttentionSizes& sizes : kAttentionSizes) {
    examples.push_back({"D " + std::to_string(sizes.head_dim), {sizes}});
  }
  const std::size_t count = examples.size();
  for (std::size_t i = 0; i < count; ++i) {
    AttentionExample dropped = examples[i];
    dropped.name += " with dropout";
    dropped.of.mask = mask_from("attention", 0.25F, 11);
    examples.push_back(std::move(dropped));
  }
  return examples;
}

// The types that a table of biases, or its gradient, may have beside heads of
// 16 bits; one of them if there is no table.
inline std::vector<OperandType> table_types(const AttentionCase& of) {
  return of.distances > 0
             ? std::vector(std::begin(kSumTypes), std::end(kSumTypes))
             : std::vector{OperandType::kHalf};
}

// Operands 0 to 5 of forward and backward: q, k, v, the table, y and lse.
inline std::vector<Operand> half_operands(const AttentionOperands& of,
                                          OperandType table) {
  const AttentionInputs in = of.inputs();
  const AttentionSizes& sizes = of.of.sizes;
  const std::int64_t N = sizes.batch * sizes.queries;
  return {{of.q, in.q.tensor.shape()},
          {of.k, in.k.tensor.shape()},
          {of.v, in.v.tensor.shape()},
          {of.table, {sizes.heads, of.of.distances}, table},
          {of.y, in.q.tensor.shape()},
          {of.lse, {N, sizes.heads}, OperandType::kF32}};
}

inline AttentionInputs inputs_from(const AttentionOperands& of,
                                   const Tensors& t) {
  AttentionInputs in = of.inputs();
  in.q.tensor = t[0];
  in.k.tensor = t[1];
  in.v.tensor = t[2];
  if (in.bias.table) {
    in.bias.table = t[3];
  }
  return in;
}

// The values of q, k, v and the table among an operation's results.
inline AttentionDoubles doubles_from(const std::vector<Values>& results) {
  return {doubles(results[0]),
          doubles(results[1]),
          doubles(results[2]),
          doubles(results[3])};
}

// The operands of a problem, rounded to what Half holds.
template <typename Half>
AttentionOperands rounded_operands(const AttentionCase& of) {
  AttentionOperands operands(of);
  for (Values* values : {&operands.q,
                         &operands.k,
                         &operands.v,
                         &operands.table,
                         &operands.d_y}) {
    for (float& value : *values) {
      value = to_float(from_float<Half>(value));
    }
  }
  return operands;
}

}  // namespace dure::kernels
