// Root-mean-square normalisation over the last dimension [1, eq. 4].
//
//   rstd[n] = 1 / sqrt(mean_c(x[n,c]^2) + eps)
//   y[n,c]  = x[n,c] * rstd[n] * gain[c] [+ bias[c]]
//
// [1] Zhang and Sennrich 2019, arXiv:1910.07467.
#pragma once

#include "dure/kernels/op.h"

namespace dure::kernels {

struct RmsNorm {
  static constexpr const char* kName = "rms_norm";
  Tensor y;               // (N, C)   overwritten; may be x if the types agree
  Tensor rstd;            // (N) f32  overwritten; for the backward
  ConstTensor x;          // (N, C)   of y's type or f32
  ConstTensor gain;       // (C)
  ConstTensor bias = {};  // (C), optional
  float eps = 1e-5F;

  static void visit(auto& op, auto&& tensors) {
    tensors(op.y, op.rstd, op.x, op.gain, op.bias);
  }
};

void check(const RmsNorm& op);
Cost cost(const RmsNorm& op);
void run(OnCpu, Stream& stream, const RmsNorm& op);
void run(OnCuda, Stream& stream, const RmsNorm& op);

// With h = d_y * gain, x' = x * rstd:
//
//   d_x    = rstd * (h - x' * mean_c(h * x')) [+ residual]
//   d_gain = sum_n d_y * x'   (overwritten or added to, by `write`)
//   d_bias = sum_n d_y        (by `write` as well)
//
// The sums over rows are the same for any number of threads.
struct RmsNormBackward {
  static constexpr const char* kName = "rms_norm_backward";
  Tensor d_x;          // (N, C)   of x's type   overwritten; may be residual,
                       //          or d_y if the types agree
  Tensor d_gain;       // (C)      of a type of its own
  Tensor d_bias = {};  // (C)      as d_gain; optional
  ConstTensor d_y;     // (N, C)
  ConstTensor x;       // (N, C)   of d_y's type or f32
  ConstTensor gain;    // (C)
  ConstTensor rstd;    // (N)      f32
  ConstTensor residual = {};  // (N, C)   of x's type, optional: the gradient
                              //          around the norm
  Write write = Write::kAdd;

  static void visit(auto& op, auto&& tensors) {
    tensors(op.d_x,
            op.d_gain,
            op.d_bias,
            op.d_y,
            op.x,
            op.gain,
            op.rstd,
            op.residual);
  }
};

void check(const RmsNormBackward& op);
Cost cost(const RmsNormBackward& op);
void run(OnCpu, Stream& stream, const RmsNormBackward& op);
void run(OnCuda, Stream& stream, const RmsNormBackward& op);

}  // namespace dure::kernels
