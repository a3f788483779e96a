// A residual stream that is saved between a forward and its backward.
#pragma once

#include <memory>

#include "dure/model/activation_policy.h"
#include "dure/nn/buffers.h"
#include "dure/nn/context.h"

namespace dure::model {

// keep, prepare and take follow one another, again and again.
class SavedStream {
 public:
  SavedStream() = default;
  SavedStream(const SavedStream&) = delete;
  SavedStream& operator=(const SavedStream&) = delete;
  virtual ~SavedStream() = default;

  // Saves a stream (n, C).
  virtual void keep(nn::Context& ctx, OwnedTensor stream) = 0;

  // Announces take(): begins to gather the stream. All calls are collective
  // over the tensor ranks.
  virtual void prepare(nn::Context& ctx) = 0;

  virtual OwnedTensor take() = 0;

  // Visits the saved memory. It must not be called between prepare() and take()
  // (nn/buffers.h).
  virtual void for_each_buffer(const nn::BufferVisitor& visit) = 0;
};

// kParts is for streams that are whole on every tensor rank: each saves its
// near-even part of the rows, and all gather them.
std::unique_ptr<SavedStream> make_saved_stream(CheckpointedInputs checkpoints);

}  // namespace dure::model
