// A block between its forward and its backward: what is kept of it, and how the
// rest comes back.
#pragma once

#include <memory>

#include "dure/model/block.h"
#include "dure/model/keeping.h"

namespace dure::model {

// forward, prepare and backward follow one another, again and again; results
// are the same, to the bit, whatever is kept.
class KeptBlock {
 public:
  KeptBlock() = default;
  KeptBlock(const KeptBlock&) = delete;
  KeptBlock& operator=(const KeptBlock&) = delete;
  virtual ~KeptBlock() = default;

  // As the block's; takes x.
  struct Forward {
    Tensor y;
    OwnedTensor x;
    const nn::Sequences& sequences;
  };
  virtual void forward(nn::Context& ctx, const Block& block, Forward op) = 0;

  // The backward will come soon: begins to bring back what it needs.
  virtual void prepare(nn::Context& ctx) = 0;

  // As the block's, with the same sequences again. After it the next forward
  // may come, whatever ctx.deferred has yet to run.
  virtual void backward(nn::Context& ctx,
                        const Block& block,
                        Tensor d_nC,
                        const nn::Sequences& sequences) = 0;

  // Of what is kept: not between prepare() and backward(), when it is on its
  // way (nn/buffers.h).
  virtual void for_each_buffer(const nn::BufferVisitor& visit) = 0;
};

std::unique_ptr<KeptBlock> make_kept_block(const Keeping& keeping);

}  // namespace dure::model
