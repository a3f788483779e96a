// Heads within a tensor: strided views of attention's operands.
//
// The q, k and v of a fused product are three views of one tensor, and a cache
// (B, G, S, D) is another kind.
#pragma once

#include <cstdint>

#include "dure/tensor/tensor.h"

namespace dure::kernels {

// B samples of S rows of H heads of D elements. Element (b, s, h, d) is at
// first + b sample_step + s row_step + h head_step + d in a tensor.
struct HeadLayout {
  std::int64_t samples = 0;   // B
  std::int64_t rows = 0;      // S
  std::int64_t heads = 0;     // H
  std::int64_t head_dim = 0;  // D
  std::int64_t first = 0;
  std::int64_t sample_step = 0;
  std::int64_t row_step = 0;
  std::int64_t head_step = 0;

  std::int64_t elements() const { return samples * rows * heads * head_dim; }
  constexpr std::int64_t offset(std::int64_t b, std::int64_t h) const {
    return first + b * sample_step + h * head_step;
  }
};

struct ConstHeads {
  ConstTensor tensor = {};
  HeadLayout at = {};

  static void visit(auto& op, auto&& tensors) { tensors(op.tensor); }
};

struct Heads {
  Tensor tensor = {};
  HeadLayout at = {};

  // NOLINTNEXTLINE(google-explicit-constructor): as a Tensor is a ConstTensor
  operator ConstHeads() const { return {.tensor = tensor, .at = at}; }

  static void visit(auto& op, auto&& tensors) { tensors(op.tensor); }
};

// Throws Error unless the view has `wanted`'s samples, rows, heads and width of
// heads, within a tensor of this type.
void expect_heads(const char* name,
                  const ConstHeads& heads,
                  const HeadLayout& wanted,
                  DType dtype);

// Which columns of a matrix are heads, and how many samples its rows are.
struct HeadColumns {
  std::int64_t samples = 0;
  std::int64_t first = 0;  // heads to the left of these
  std::int64_t heads = 0;
  std::int64_t head_dim = 0;
};

// Columns [first D, (first + heads) D) of a matrix (B S, C).
ConstHeads heads_of_rows(const ConstTensor& matrix, const HeadColumns& of);
Heads heads_of_rows(const Tensor& matrix, const HeadColumns& of);

// A view of a whole cache (B, G, S, D).
ConstHeads heads_of_cache(const ConstTensor& cache);

// A row of a fused product (B S, (H + 2G) D) holds H heads of q, then G of k,
// then G of v.
struct FusedHeads {
  std::int64_t samples = 0;   // B
  std::int64_t heads = 0;     // H
  std::int64_t kv_heads = 0;  // G
  std::int64_t head_dim = 0;  // D

  std::int64_t columns() const { return (heads + 2 * kv_heads) * head_dim; }
  HeadColumns q() const { return {samples, 0, heads, head_dim}; }
  HeadColumns k() const { return {samples, heads, kv_heads, head_dim}; }
  HeadColumns v() const {
    return {samples, heads + kv_heads, kv_heads, head_dim};
  }
};

}  // namespace dure::kernels
