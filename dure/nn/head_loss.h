// The output head and the cross-entropy, as one layer.
//
//   logits = x weight^T        loss[n] = cross_entropy(logits[n], targets[n])
//
// The logits, (N, V), are the largest tensor of a language model by far; they
// are made, turned into their own gradient and used up a block of rows at a
// time. So the forward of a training pass already computes d_x and the weight's
// gradient, for the d_loss that the caller knows beforehand (the idea of
// Liger-Kernel, arXiv:2410.10989, section 3.2); the backward hands d_x over. A
// pipeline's last stage is then long forward and short backward;
// forward_keeping and backward_kept() leave each its part, as other layers do,
// for the memory of the logits. All come to the same bits.
//
// Tensor ranks have a part of the vocabulary each: all rows come in, each rank
// makes its columns of the logits, and d_x is a sum over the ranks (parallel/
// tensor/regions.h). N is all rows; a stream's are those of this rank.
#pragma once

#include "dure/nn/buffers.h"
#include "dure/nn/context.h"
#include "dure/nn/cross_entropy.h"
#include "dure/nn/parameter.h"
#include "dure/parallel/tensor/regions.h"

namespace dure::nn {

class HeadLoss {
 public:
  struct Saved {
    OwnedTensor d_x;       // as x, a stream
    OwnedTensor d_logits;  // (N, Vp / T), of forward_keeping()
  };

  // weight (Vp / T, C): part `part` of Vp rows, of which the first `vocabulary`
  // are tokens.
  HeadLoss(Parameter& weight, std::int64_t vocabulary, mesh::Part part);

  struct Forward {
    Tensor loss;               // (N)      overwritten, the same on every rank
    ConstTensor x;             // (n, C), a stream
    ConstTensor targets;       // (N) i32
    ConstTensor weights = {};  // (N), optional: of each row's loss
    ConstTensor d_loss = {};   // (1) the derivative of what is minimised by
                               //     each row's loss, such as 1 / N
  };
  void forward(Context& ctx, const Forward& op, Saved& saved) const;

  // The same, but for the gradients of x and of the weight: those are
  // backward_kept()'s, of which the weight's can be put off (weight_queue.h).
  void forward_keeping(Context& ctx, const Forward& op, Saved& saved) const;
  // Takes x, and d_logits of `saved`.
  void backward_kept(Context& ctx, OwnedTensor x, Saved& saved) const;

  // For whoever takes the loss elsewhere: given the gradient of this rank's
  // logits (N, Vp / T), adds to, or overwrites, the weight's, and makes
  // saved.d_x.
  void backward_logits(Context& ctx,
                       ConstTensor d_logits,
                       ConstTensor x,
                       Saved& saved) const;

  // The loss alone; d_loss is not wanted.
  void evaluate(Context& ctx, const Forward& op) const;

  // logits (N, Vp), on every rank.
  void logits(Context& ctx, Tensor logits, ConstTensor x) const;

  std::int64_t vocabulary() const { return vocabulary_; }

 private:
  // What a block of rows is to the loss.
  static CrossEntropy::Rows rows_of(const Forward& op,
                                    parallel::RowRange rows,
                                    Tensor logits);

  // This rank's columns of the logits.
  void own_logits(Context& ctx, Tensor logits, ConstTensor x) const;

  // What the gradient of a block of logits comes to: rows of d_x, from `first`
  // on, which all begin their way when the last are there; and a summand of the
  // weight's.
  void backward_input(Context& ctx,
                      ConstTensor d_logits,
                      std::int64_t first,
                      parallel::PartialSum& d_x) const;
  void backward_weight(Context& ctx, ConstTensor d_logits, ConstTensor x) const;

  // The same of all rows, in blocks of the same rows as forward(), so that sums
  // are cut alike.
  void backward_all_input(Context& ctx,
                          ConstTensor d_logits,
                          parallel::PartialSum& d_x) const;
  void backward_all_weight(Context& ctx,
                           ConstTensor d_logits,
                           ConstTensor x) const;

  Parameter& weight_;
  std::int64_t vocabulary_;
  mesh::Part part_;
};

inline void for_each_buffer(HeadLoss::Saved& saved,
                            const BufferVisitor& visit) {
  visit_buffers({&saved.d_x, &saved.d_logits}, visit);
}

}  // namespace dure::nn
