// A linear layer whose inputs are shared out: each tensor rank multiplies its
// own columns of x, and the sum over ranks goes onto the residual stream
// ("row-parallel", after Y = X A with A = weight^T) [1, section 3].
//
//   y = residual + dropout(sum over ranks of x weight^T + bias)
//
// It leaves a region (parallel/tensor/regions.h): PartialSum forward, AllRows
// of d_y backward. Bias and, without dropout, residual are the epilogue of the
// product of one rank, for each row of the one that completes it.
//
// [1] Shoeybi et al. 2019, arXiv:1909.08053.
#pragma once

#include "dure/nn/dropout.h"
#include "dure/nn/parameter.h"

namespace dure::nn {

// N rows on T ranks; a stream has n of them here.
class ShardedToAll {
 public:
  struct Saved {
    ConstTensor x;  // (N, in / T)   the caller's, until the backward
    kernels::DropoutMask mask;
  };

  // weight (out, in / T); bias (out), or null, which every rank holds. Where
  // rows are cut its gradient is a part of the sum over tensor ranks.
  ShardedToAll(Parameter& weight, Parameter* bias, Dropout dropout)
      : weight_(weight), bias_(bias), dropout_(dropout) {}

  // y, residual (n, out), streams; y may be residual. x (N, in / T). `samples`
  // is B: the N rows are B sequences.
  void forward(Context& ctx,
               Tensor y,
               ConstTensor x,
               ConstTensor residual,
               std::int64_t samples,
               Saved& saved) const;

  // What forward() leaves in `saved`; y, of this shape, is not made.
  void save(Context& ctx,
            const Shape& y,
            ConstTensor x,
            std::int64_t samples,
            Saved& saved) const;

  // d_x (N, in / T) overwritten; d_y (n, out), a stream. The residual's
  // gradient is d_y itself. The parameters' gradients by Parameter::take_write,
  // now or later (weight_queue.h): until then saved.x must live. d_y need not,
  // being the stream's, which other layers add to in place: what is put off
  // reads the branch's gradient, which dropout makes, or, without dropout, a
  // copy of d_y.
  void backward(Context& ctx,
                Tensor d_x,
                ConstTensor d_y,
                const Saved& saved) const;

 private:
  void sum_products(Context& ctx,
                    Tensor y,
                    ConstTensor x,
                    ConstTensor residual) const;
  void backward_sum(Context& ctx,
                    Tensor d_x,
                    ConstTensor d_y,
                    const Saved& saved) const;
  void backward_bias(Context& ctx, ConstTensor d_y) const;
  void backward_weight(Context& ctx, ConstTensor d_rows, ConstTensor x) const;

  Parameter& weight_;
  Parameter* bias_;
  Dropout dropout_;
};

}  // namespace dure::nn
