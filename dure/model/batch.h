// The inputs of a model's pass: views, each present if a unit asks for it.
#pragma once

#include <cstdint>

#include "dure/nn/sequences.h"
#include "dure/tensor/tensor.h"

namespace dure::model {

// A micro-batch of training or evaluation, of N rows. A backward gets its
// forward's batch.
struct Batch {
  ConstTensor ids = {};      // (N) i32
  ConstTensor targets = {};  // (N) i32; kernels::kIgnore: a row without loss
  ConstTensor weights = {};  // (N), of each row's loss; empty: 1 each
  nn::Sequences sequences = {};
  Tensor loss = {};         // (N)   overwritten, one a row
  ConstTensor d_loss = {};  // (1)   the derivative of the objective by each
                            //       row's loss, such as 1 / N; in training
  // For Logits::kGiven, where the caller computes the loss, or for no loss.
  Tensor logits = {};         // (N, Vp)       overwritten
  ConstTensor d_logits = {};  // (N, Vp / T)   of this tensor rank, for the
                              //               backward
};

// The next T tokens of each of B texts, in generation.
struct DecodeBatch {
  ConstTensor ids;  // (B T) i32
  nn::Sequences sequences;
  ConstTensor lengths;  // (B) i32, positions in the cache of each
  Tensor logits = {};   // (B, Vp)   overwritten: after the last of the T
};

}  // namespace dure::model
