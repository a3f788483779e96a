// The model's side of the executor (executor.h): the work for a rank's chunks.
#pragma once

#include <cstdint>

#include "dure/parallel/pipeline/streams.h"

namespace dure::parallel {

// Streams are those of a micro-batch on this tensor rank; they are empty at the
// beginning and the end of the model. Calls come in the order of the program.
// Passes that a program does not have need no implementation.
class StageModule {
 public:
  StageModule() = default;
  StageModule(const StageModule&) = delete;
  StageModule& operator=(const StageModule&) = delete;
  virtual ~StageModule() = default;

  // N of a micro-batch: the rows of a stream over all tensor ranks.
  virtual std::int64_t rows(int micro_batch, StreamName stream) const = 0;

  virtual Streams forward(int chunk, int micro_batch, Streams x) = 0;

  // Takes the gradient of forward()'s output and returns that of its input,
  // whole or in two halves.
  virtual Streams backward(int chunk, int micro_batch, Streams d_y);
  virtual Streams backward_input(int chunk, int micro_batch, Streams d_y);
  virtual void backward_weights(int chunk, int micro_batch);

  // Runs the optimizer with the gradients of the micro-batches up to this one.
  virtual void update(int micro_batch);
};

}  // namespace dure::parallel
