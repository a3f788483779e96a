// The units of a decoder-only transformer: embedding, blocks, final norm, head
// and loss. All of them read and leave the residual stream.
//
// Shapes: B samples of S tokens are N = B S rows, of which a stream has n on
// this tensor rank (parallel/tensor/tensor_axis.h); C is the hidden size, V the
// vocabulary, Vp the padded one.
#pragma once

#include <cstdint>

#include "dure/model/activation_policy.h"
#include "dure/model/unit.h"

namespace dure::model {

UnitSpec embedding_unit();
UnitSpec block_unit(std::int64_t index,
                    const ActivationPolicy& activation_policy);

// In generation it takes the last token of each text alone.
UnitSpec final_norm_unit();

// With Logits::kBlocks the gradients are made within the forward, for the
// batch's d_loss (nn/head_loss.h).
UnitSpec head_unit(Logits logits);

}  // namespace dure::model
