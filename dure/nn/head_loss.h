// The output head and the cross-entropy, as one layer.
//
//   logits = x weight^T        loss[n] = cross_entropy(logits[n], targets[n])
//
// The logits, (N, V), are the largest tensor of a language model by far; they
// are made, turned into their own gradient and used up a block of rows at a
// time. So the forward of a training pass already computes d_x and the weight's
// gradient, for the d_loss that the caller knows beforehand (the idea of
// Liger-Kernel, arXiv:2410.10989, section 3.2); the backward hands d_x over.
#pragma once

#include "dure/nn/context.h"
#include "dure/nn/parameter.h"

namespace dure::nn {

class HeadLoss {
 public:
  struct Saved {
    OwnedTensor d_x;  // (N, C)
  };

  // weight (Vp, C), of which the first `vocabulary` rows are tokens.
  HeadLoss(Parameter& weight, std::int64_t vocabulary)
      : weight_(weight), vocabulary_(vocabulary) {}

  // loss (N) overwritten; x (N, C); targets (N) i32. d_loss is the derivative
  // of what is minimised by each row's loss, such as 1 / N.
  void forward(Context& ctx,
               Tensor loss,
               ConstTensor x,
               ConstTensor targets,
               float d_loss,
               Saved& saved) const;

  // For whoever takes the loss elsewhere: given the logits' gradient (N, Vp),
  // adds to, or overwrites, the weight's, and makes saved.d_x. The same
  // numbers, to the bit, as forward() makes of its own.
  void backward_logits(Context& ctx,
                       ConstTensor d_logits,
                       ConstTensor x,
                       Saved& saved) const;

  // The loss alone.
  void evaluate(Context& ctx,
                Tensor loss,
                ConstTensor x,
                ConstTensor targets) const;

  // logits (N, Vp).
  void logits(Context& ctx, Tensor logits, ConstTensor x) const;

  std::int64_t vocabulary() const { return vocabulary_; }

  // Rows of logits that stand in memory at once.
  static std::int64_t block_rows(std::int64_t rows);

 private:
  // What a block of logits' gradient comes to.
  void use_gradient(Context& ctx,
                    ConstTensor d_logits,
                    ConstTensor x,
                    Tensor d_x) const;

  // function(block, logits (rows, Vp) to be written) for every block of rows.
  template <typename Function>
  void for_each_block(Context& ctx, ConstTensor x, Function&& function) const;

  Parameter& weight_;
  std::int64_t vocabulary_;
};

}  // namespace dure::nn
