// What a rank does for its chunks of a model when a pipeline asks: the model's
// side of the executor (executor.h).
#pragma once

#include <cstdint>

#include "dure/parallel/pipeline/streams.h"

namespace dure::parallel {

// Streams are those of a micro-batch on this tensor rank; empty where a chunk
// begins or ends the model. All is asked in the order of the program; what a
// program does not ask for need not be there.
class StageWork {
 public:
  StageWork() = default;
  StageWork(const StageWork&) = delete;
  StageWork& operator=(const StageWork&) = delete;
  virtual ~StageWork() = default;

  // N of a micro-batch: the rows of a stream on all tensor ranks.
  virtual std::int64_t rows(int micro_batch, StreamName stream) const = 0;

  virtual Streams forward(int chunk, int micro_batch, Streams x) = 0;

  // Given the gradient of what forward() returned, that of what it took; whole,
  // or in two halves.
  virtual Streams backward(int chunk, int micro_batch, Streams d_y);
  virtual Streams backward_input(int chunk, int micro_batch, Streams d_y);
  virtual void backward_weights(int chunk, int micro_batch);

  // The optimizer, from the gradients of the micro-batches up to this one.
  virtual void update(int micro_batch);
};

}  // namespace dure::parallel
