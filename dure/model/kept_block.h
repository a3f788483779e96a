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
  virtual void forward(nn::Context& ctx,
                       const Block& block,
                       Tensor y,
                       OwnedTensor x,
                       ConstTensor positions,
                       std::int64_t samples) = 0;

  // The backward will come soon: begins to bring back what it needs.
  virtual void prepare(nn::Context& ctx) = 0;

  // As the block's. `positions` again; ctx may be of another micro-batch. After
  // it the next forward may come, whatever ctx.deferred has yet to run.
  virtual void backward(nn::Context& ctx,
                        const Block& block,
                        Tensor d_nC,
                        ConstTensor positions,
                        std::int64_t samples) = 0;
};

std::unique_ptr<KeptBlock> make_kept_block(const Keeping& keeping);

}  // namespace dure::model
