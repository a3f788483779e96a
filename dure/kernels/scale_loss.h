// The derivative of what is minimised by each loss, under a loss scale that is
// in tensor memory (loss_scale.h):
//
//   d_loss = weight loss_scale
//
// The weight is 1 / (tokens of the step). This is the only multiplication by
// the scale: the backward is linear in it.
#pragma once

#include "dure/kernels/op.h"

namespace dure::kernels {

struct ScaleLoss {
  static constexpr const char* kName = "scale_loss";
  Tensor d_loss;           // (1)   f32, overwritten
  ConstTensor loss_scale;  // (1)   f32
  float weight = 1;

  static void visit(auto& op, auto&& tensors) {
    tensors(op.d_loss, op.loss_scale);
  }
};

void check(const ScaleLoss& op);
Cost cost(const ScaleLoss& op);
void run(OnCpu, Stream& stream, const ScaleLoss& op);
void run(OnCuda, Stream& stream, const ScaleLoss& op);

}  // namespace dure::kernels
