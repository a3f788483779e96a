// Cross-entropy of logits whose columns the tensor ranks share out, and its
// gradient, without ever bringing a row together: two all_reduces of some
// numbers a row (kernels/cross_entropy.h).
#pragma once

#include <cstdint>

#include "dure/mesh/placement.h"
#include "dure/nn/context.h"

namespace dure::nn {

class CrossEntropy {
 public:
  // Of the columns of all ranks the first `vocabulary` are tokens; `part` of
  // them are this rank's.
  CrossEntropy(std::int64_t vocabulary, mesh::Part part)
      : vocabulary_(vocabulary), part_(part) {}

  struct Rows {
    Tensor loss;               // (N)       overwritten, the same on every rank
    Tensor logits;             // (N, V')   this rank's columns
    ConstTensor targets;       // (N) i32
    ConstTensor weights = {};  // (N), optional: of each row's loss
    ConstTensor d_loss = {};   // (1)  the derivative of what is minimised by
                               //      each row's loss
  };

  // Without a gradient; d_loss is not wanted.
  void loss(Context& ctx, const Rows& op) const;

  // The same, and the logits become their own gradient.
  void loss_and_gradient(Context& ctx, const Rows& op) const;

 private:
  // Of all ranks' columns.
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
