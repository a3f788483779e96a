// The norms that a model may have, a row each: all that depends on the kind of
// norm reads the row. docs/adding.md says how to add one.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "dure/kernels/op.h"
#include "dure/nn/context.h"

namespace dure::nn {

// The most statistics that a norm saves for each row.
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
  Tensor d_bias;     // (C), or not there   by `write`
  ConstTensor d_y;   // (N, C)
  ConstTensor x;     // (N, C)
  ConstTensor gain;  // (C), or (1)
  std::array<ConstTensor, kMostStatistics> statistics;  // (N) f32
  ConstTensor residual;                                 // (N, C), or not there
  float epsilon = 0;
  kernels::Write write = kernels::Write::kAdd;
};

struct NormRow {
  const char* name;        // its name in model.norm
  bool has_bias;           // the default, if model.norm_bias is automatic
  bool takes_bias;         // whether it may have one
  std::size_t statistics;  // saved for each row

  // The number of elements of the gain, and their first value, for C columns.
  std::int64_t (*gains)(std::int64_t columns);
  double (*first_gain)(std::int64_t columns);

  void (*forward)(Context& ctx, const NormForward& op);
  void (*backward)(Context& ctx, const NormBackward& op);
};

// One gain a column, starting at 1, as most norms have.
std::int64_t gain_per_column(std::int64_t columns);
double gain_of_one(std::int64_t columns);

extern const NormRow kLayerNorm;
extern const NormRow kRmsNorm;

// All norms, the default first.
std::span<const NormRow* const> norms();

}  // namespace dure::nn
