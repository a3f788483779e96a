// A block between its forward and its backward: what it saves, and how the rest
// is made again.
#pragma once

#include <memory>

#include "dure/model/activation_policy.h"
#include "dure/model/block.h"
#include "dure/model/unit.h"

namespace dure::model {

// forward, prepare and backward follow one another. Results are the same, to
// the bit, whatever is saved.
class SavedBlock : public UnitSaved {
 public:
  // The arguments of Block's forward; takes x.
  struct Forward {
    Tensor y;
    OwnedTensor x;
    const nn::Sequences& sequences;
  };
  virtual void forward(nn::Context& ctx, const Block& block, Forward op) = 0;

  // Runs Block's backward, with the forward's sequences.
  virtual void backward(nn::Context& ctx,
                        const Block& block,
                        Tensor d_nC,
                        const nn::Sequences& sequences) = 0;
};

std::unique_ptr<SavedBlock> make_saved_block(
    const ActivationPolicy& activation_policy);

}  // namespace dure::model
