// A residual stream between its forward and its backward.
#pragma once

#include <memory>

#include "dure/model/keeping.h"
#include "dure/nn/buffers.h"
#include "dure/nn/context.h"

namespace dure::model {

// keep, prepare and take follow one another, again and again.
class KeptStream {
 public:
  KeptStream() = default;
  KeptStream(const KeptStream&) = delete;
  KeptStream& operator=(const KeptStream&) = delete;
  virtual ~KeptStream() = default;

  // (n, C).
  virtual void keep(nn::Context& ctx, OwnedTensor stream) = 0;

  // It will be taken soon: begins to bring it back. Collective over the tensor
  // ranks, as all of this.
  virtual void prepare(nn::Context& ctx) = 0;

  virtual OwnedTensor take() = 0;

  // Of what is kept: not between prepare() and take() (nn/buffers.h).
  virtual void for_each_buffer(const nn::BufferVisitor& visit) = 0;
};

// kParts is of streams that are whole on every tensor rank: each of them keeps
// its near-even part of the rows, and all gather them.
std::unique_ptr<KeptStream> make_kept_stream(Checkpoints checkpoints);

}  // namespace dure::model
