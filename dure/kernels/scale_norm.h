// Rows scaled to one length [1, eq. 4].
//
//   inverse[n] = 1 / max(|x[n]|, eps)      |.| the root of the sum of squares
//   y[n,c]     = x[n,c] * inverse[n] * gain
//
// [1] Nguyen and Salazar 2019, arXiv:1910.05895.
#pragma once

#include "dure/kernels/op.h"

namespace dure::kernels {

struct ScaleNorm {
  static constexpr const char* kName = "scale_norm";
  Tensor y;          // (N, C)   overwritten; may be x if the types agree
  Tensor inverse;    // (N) f32  overwritten; for the backward
  ConstTensor x;     // (N, C)   of y's type or f32
  ConstTensor gain;  // (1)
  float eps = 1e-5F;

  static void visit(auto& op, auto&& tensors) {
    tensors(op.y, op.inverse, op.x, op.gain);
  }
};

void check(const ScaleNorm& op);
Cost cost(const ScaleNorm& op);
void run(OnCpu, Stream& stream, const ScaleNorm& op);
void run(OnCuda, Stream& stream, const ScaleNorm& op);

// With x' = x * inverse; in a row shorter than eps the inverse is constant:
//
//   d_x    = gain * inverse * (d_y - x' * sum_c(d_y * x')) [+ residual]
//   d_gain = sum_n sum_c d_y * x'   (overwritten or added to, by `write`)
//
// The sum over rows is made in f64, one row after another.
struct ScaleNormBackward {
  static constexpr const char* kName = "scale_norm_backward";
  Tensor d_x;           // (N, C)   of x's type   overwritten; may be residual,
                        //          or d_y if the types agree
  Tensor d_gain;        // (1)      of a type of its own
  Tensor row_sums;      // (N) f32  overwritten: scratch
  ConstTensor d_y;      // (N, C)
  ConstTensor x;        // (N, C)   of d_y's type or f32
  ConstTensor gain;     // (1)
  ConstTensor inverse;  // (N) f32
  ConstTensor residual = {};  // (N, C)   of x's type, optional: the gradient
                              //          around the norm
  float eps = 1e-5F;
  Write write = Write::kAdd;

  static void visit(auto& op, auto&& tensors) {
    tensors(op.d_x,
            op.d_gain,
            op.row_sums,
            op.d_y,
            op.x,
            op.gain,
            op.inverse,
            op.residual);
  }
};

void check(const ScaleNormBackward& op);
Cost cost(const ScaleNormBackward& op);
void run(OnCpu, Stream& stream, const ScaleNormBackward& op);
void run(OnCuda, Stream& stream, const ScaleNormBackward& op);

}  // namespace dure::kernels
