// The state of a rank, passed to everything, in place of globals.
#pragma once

#include <cstdint>

#include "dure/parallel/tensor/tensor_axis.h"
#include "dure/tensor/arena.h"
#include "dure/tensor/stream.h"

namespace dure::nn {

class WeightGradientStore;

// Whether this is a training pass: dropout is on, and layers save what the
// backward needs.
enum class Phase : std::uint8_t { kTrain, kEvaluate };

struct Context {
  Stream& stream;
  Arena& arena;
  parallel::TensorAxis tensor;
  Phase phase = Phase::kTrain;
  // The index of the micro-batch among this rank's in the step.
  int micro_batch = 0;
  // A queue to which a backward defers the gradients of its matrices. If null,
  // it makes them at once (weight_gradient_store.h).
  WeightGradientStore* deferred = nullptr;

  OwnedTensor activation(const Shape& shape, DType dtype) const {
    return arena.tensor(shape, Category::kActivations, dtype);
  }
  OwnedTensor workspace(const Shape& shape, DType dtype) const {
    return arena.tensor(shape, Category::kWorkspace, dtype);
  }
};

}  // namespace dure::nn
