// Layer normalisation over the last dimension [1].
//
//   mean[n] = mean_c(x[n,c])
//   rstd[n] = 1 / sqrt(mean_c((x[n,c] - mean[n])^2) + eps)
//   y[n,c]  = (x[n,c] - mean[n]) * rstd[n] * gain[c] + bias[c]
//
// [1] Ba, Kiros and Hinton 2016, arXiv:1607.06450, eq. 4.
#pragma once

#include "dure/kernels/op.h"

namespace dure::kernels {

struct LayerNorm {
  static constexpr const char* kName = "layer_norm";
  Tensor y;               // (N, C)   overwritten; may be x if the types agree
  Tensor mean;            // (N) f32  overwritten; for the backward
  Tensor rstd;            // (N) f32  overwritten; for the backward
  ConstTensor x;          // (N, C)   of y's type or f32
  ConstTensor gain;       // (C)
  ConstTensor bias = {};  // (C), optional
  float eps = 1e-5F;

  static void visit(auto& op, auto&& tensors) {
    tensors(op.y, op.mean, op.rstd, op.x, op.gain, op.bias);
  }
};

void check(const LayerNorm& op);
Cost cost(const LayerNorm& op);
void run(OnCpu, Stream& stream, const LayerNorm& op);
void run(OnCuda, Stream& stream, const LayerNorm& op);

// With h = d_y * gain, x' = (x - mean) * rstd:
//
//   d_x    = rstd * (h - mean_c(h) - x' * mean_c(h * x')) [+ residual]
//   d_gain = sum_n d_y * x'   (overwritten or added to, by `write`)
//   d_bias = sum_n d_y        (by `write` as well)
//
// The sums over rows are the same for any number of threads.
struct LayerNormBackward {
  static constexpr const char* kName = "layer_norm_backward";
  Tensor d_x;          // (N, C)   of x's type   overwritten; may be residual,
                       //          or d_y if the types agree
  Tensor d_gain;       // (C)      of a type of its own
  Tensor d_bias = {};  // (C)      as d_gain; optional
  ConstTensor d_y;     // (N, C)
  ConstTensor x;       // (N, C)   of d_y's type or f32
  ConstTensor gain;    // (C)
  ConstTensor mean;    // (N)      f32
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
            op.mean,
            op.rstd,
            op.residual);
  }
};

void check(const LayerNormBackward& op);
Cost cost(const LayerNormBackward& op);
void run(OnCpu, Stream& stream, const LayerNormBackward& op);
void run(OnCuda, Stream& stream, const LayerNormBackward& op);

}  // namespace dure::kernels
