// The output head and the cross-entropy, as one layer.
//
//   logits = x weight^T        loss[n] = cross_entropy(logits[n], targets[n])
//
// The logits, (N, V), are the largest tensor of a language model by far. They
// are made, turned into their own gradient and used up one block of rows at a
// time. So the forward of a training pass already computes d_x and the weight's
// gradient, for a d_loss that the caller knows beforehand (the idea of
// Liger-Kernel, arXiv:2410.10989, section 3.2); the backward only hands d_x
// over. That gives a pipeline's last stage a long forward and a short backward.
// forward_keeping() and backward_kept() divide the work as other layers do, at
// the cost of memory for the logits. All ways give the same bits.
//
// Logits, the loss and their gradient are f32; the gradient is rounded to the
// weight's type when it enters a product.
//
// Each tensor rank has a part of the vocabulary: it reads all rows and makes
// its columns of the logits; d_x is a sum over the ranks
// (parallel/tensor/regions.h). N counts all rows; a stream has this rank's.
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
    OwnedTensor d_logits;  // (N, Vp / T), from forward_keeping()
  };

  // weight (Vp / T, C): part `part` of Vp rows, of which the first `vocabulary`
  // are tokens.
  HeadLoss(Parameter& weight, std::int64_t vocabulary, mesh::Part part);

  struct Forward {
    Tensor loss;               // (N)      overwritten, the same on every rank
    ConstTensor x;             // (n, C), a stream
    ConstTensor targets;       // (N) i32
    ConstTensor weights = {};  // (N), optional: the weight of each row's loss
    ConstTensor d_loss = {};   // (1) the derivative of what is minimised by
                               //     each row's loss, such as 1 / N
  };
  void forward(Context& ctx, const Forward& op, Saved& saved) const;

  // Does what forward() does, except for the gradients of x and of the weight:
  // backward_kept() makes them, and the weight's can be deferred
  // (weight_gradient_store.h).
  void forward_keeping(Context& ctx, const Forward& op, Saved& saved) const;
  // Takes x, and d_logits of `saved`.
  void backward_kept(Context& ctx, OwnedTensor x, Saved& saved) const;

  // For a caller that computes the loss: takes the gradient of this rank's
  // logits (N, Vp / T), adds to the weight's gradient or overwrites it, and
  // makes saved.d_x.
  void backward_logits(Context& ctx,
                       ConstTensor d_logits,
                       ConstTensor x,
                       Saved& saved) const;

  // Computes the loss alone; d_loss is not used.
  void evaluate(Context& ctx, const Forward& op) const;

  // Makes logits (N, Vp), on every rank.
  void logits(Context& ctx, Tensor logits, ConstTensor x) const;

  std::int64_t vocabulary() const { return vocabulary_; }

 private:
  // The operands of the loss for a block of rows.
  static CrossEntropy::Rows rows_of(const Forward& op,
                                    parallel::RowRange rows,
                                    Tensor logits);

  // This rank's columns of the logits.
  void own_logits(Context& ctx, Tensor logits, ConstTensor x) const;

  // For the gradient of a block of logits: rows of d_x, from `first` on, whose
  // sum over ranks starts with the last rows; and a summand of the weight's
  // gradient.
  void backward_input(Context& ctx,
                      ConstTensor d_logits,
                      std::int64_t first,
                      parallel::PartialSum& d_x) const;
  void backward_weight(Context& ctx, ConstTensor d_logits, ConstTensor x) const;

  // Do this for all rows, in the same blocks of rows as forward(), so that sums
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
