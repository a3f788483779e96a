// Cross-entropy of logits whose columns are sharded over tensor ranks, and its
// gradient, without ever gathering a row: it takes two all-reduces of a few
// numbers a row (kernels/cross_entropy.h).
#pragma once

#include <cstdint>

#include "dure/mesh/placement.h"
#include "dure/nn/context.h"

namespace dure::nn {

class CrossEntropy {
 public:
  // The first `vocabulary` columns of all ranks are tokens; this rank has
  // `part` of the columns.
  CrossEntropy(std::int64_t vocabulary, mesh::Part part)
      : vocabulary_(vocabulary), part_(part) {}

  struct Rows {
    Tensor loss;               // (N)       overwritten, the same on every rank
    Tensor logits;             // (N, V')   this rank's columns
    ConstTensor targets;       // (N) i32
    ConstTensor weights = {};  // (N), optional: the weight of each row's loss
    ConstTensor d_loss = {};   // (1)  the derivative of what is minimised by
                               //      each row's loss
  };

  // Computes the loss without a gradient; d_loss is not used.
  void loss(Context& ctx, const Rows& op) const;

  // Computes the loss and turns the logits into their own gradient.
  void loss_and_gradient(Context& ctx, const Rows& op) const;

 private:
  // Statistics over the columns of all ranks.
  struct Statistics {
    OwnedTensor maximum;  // (N)
    OwnedTensor sums;     // (2, N) f64
  };

  Statistics loss_of(Context& ctx, const Rows& op) const;
  std::int64_t first_column(ConstTensor logits) const {
    return part_.index * logits.shape()[1];
  }

  std::int64_t vocabulary_;
  mesh::Part part_;
};

}  // namespace dure::nn
