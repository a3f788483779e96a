// The norms that a model may have, a row each: whoever has to know which one it
// is reads the row. docs/adding.md says how one is added.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "dure/kernels/op.h"
#include "dure/nn/context.h"

namespace dure::nn {

// Numbers a row that a norm keeps for its backward, at most.
inline constexpr std::size_t kMostStatistics = 2;

// y = norm(x) * gain + bias, by row of x.
struct NormForward {
  Tensor y;                                        // (N, C)   overwritten
  std::array<Tensor, kMostStatistics> statistics;  // (N) f32  overwritten
  ConstTensor x;                                   // (N, C)
  ConstTensor gain;                                // (C), or (1)
  ConstTensor bias;                                // (C), or not there
  float epsilon = 0;
};

// d_x = the gradient through the norm + residual, the gradient around it.
struct NormBackward {
  Tensor d_x;        // (N, C)   overwritten; may be d_y or residual
  Tensor d_gain;     // (C), or (1)     overwritten or added to, by `write`
  Tensor d_bias;     // (C), or not there   likewise
  ConstTensor d_y;   // (N, C)
  ConstTensor x;     // (N, C)
  ConstTensor gain;  // (C), or (1)
  std::array<ConstTensor, kMostStatistics> statistics;  // (N) f32
  ConstTensor residual;                                 // (N, C), or not there
  float epsilon = 0;
  kernels::Write write = kernels::Write::kAdd;
};

struct NormRow {
  const char* name;        // model.norm
  bool has_bias;           // where model.norm_bias is automatic
  bool takes_bias;         // or may have one
  std::size_t statistics;  // numbers a row

  // The gain is of this many elements, and begins as this, for C columns.
  std::int64_t (*gains)(std::int64_t columns);
  double (*first_gain)(std::int64_t columns);

  void (*forward)(Context& ctx, const NormForward& op);
  void (*backward)(Context& ctx, const NormBackward& op);
};

// One a column, from 1 on: what most norms have.
std::int64_t gain_per_column(std::int64_t columns);
double gain_of_one(std::int64_t columns);

extern const NormRow kLayerNorm;
extern const NormRow kRmsNorm;

// All there are, the default first.
std::span<const NormRow* const> norms();

}  // namespace dure::nn
