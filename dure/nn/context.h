// What a rank is: passed to everything, instead of globals.
#pragma once

#include <cstdint>

#include "dure/parallel/tensor/tensor_axis.h"
#include "dure/tensor/arena.h"
#include "dure/tensor/stream.h"

namespace dure::nn {

class WeightQueue;

// Whether the pass is one of training: dropout is on, and layers keep what the
// backward needs.
enum class Phase : std::uint8_t { kTrain, kEvaluate };

struct Context {
  Stream& stream;
  Arena& arena;
  parallel::TensorAxis tensor;
  Phase phase = Phase::kTrain;
  // Which of the step's micro-batches on this rank it is.
  int micro_batch = 0;
  // Where a backward puts off the gradients of its matrices; null: it makes
  // them at once (weight_queue.h).
  WeightQueue* deferred = nullptr;

  OwnedTensor activation(const Shape& shape, DType dtype) const {
    return arena.tensor(shape, Category::kActivations, dtype);
  }
  OwnedTensor workspace(const Shape& shape, DType dtype) const {
    return arena.tensor(shape, Category::kWorkspace, dtype);
  }
};

}  // namespace dure::nn
