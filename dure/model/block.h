// A transformer block, pre-norm [1, figure 1 with the norms moved in]:
//
//   mid = x   + attention(norm1(x))
//   y   = mid + mlp(norm2(mid))
//
// GPT-2 and Llama are this block with different parts (weights.h). A residual
// stream of N rows has n of them on this rank (parallel/tensor/tensor_axis.h).
//
// [1] Vaswani et al. 2017, arXiv:1706.03762.
#pragma once

#include <cstdint>

#include "dure/model/unit.h"
#include "dure/nn/attention.h"
#include "dure/nn/mlp.h"
#include "dure/nn/norm.h"

namespace dure::model {

class Block {
 public:
  struct Saved {
    nn::Norm::Saved norm1;
    nn::Attention::Saved attention;
    nn::Norm::Saved norm2;
    nn::Mlp::Saved mlp;
    OwnedTensor norm1_nC;  // normed x
    OwnedTensor mid_nC;
    OwnedTensor norm2_nC;  // normed mid
  };

  // Streams have N rows in all.
  struct Forward {
    Tensor y;       // (n, C)   overwritten
    ConstTensor x;  // (n, C)
    const nn::Sequences& sequences;
  };

  struct Backward {
    Tensor d_nC;    // (n, C)   the gradient of y, and then that of x
    ConstTensor x;  // (n, C)   the forward's
    const nn::Sequences& sequences;
  };

  // Streams are whole.
  struct ForwardCached {
    Tensor y;       // (N, C)   overwritten; may be x
    ConstTensor x;  // (N, C)
    const nn::Sequences& sequences;
    ConstTensor lengths;  // (B) i32: positions already in the cache
    const nn::Attention::Cache& cache;
  };

  // Access the parameters blocks.INDEX.*.
  Block(const UnitParts& parts, std::int64_t index);

  void forward(nn::Context& ctx, const Forward& op, Saved& saved) const;

  // Fills `saved` as forward() does, but without y: neither the mlp's last
  // product nor its sum over tensor ranks is made.
  void save(nn::Context& ctx,
            ConstTensor x,
            const nn::Sequences& sequences,
            Saved& saved) const;

  // Frees the tensors that are cheap to make again from x and the rest of
  // `saved`: the outputs of norms and activation (Recompute::kSelective).
  static void drop_cheap(Saved& saved);
  void remake_cheap(nn::Context& ctx, ConstTensor x, Saved& saved) const;

  // Frees `saved`, except for what ctx.deferred has taken of it:
  // deferred_bytes() (activation_memory.h).
  void backward(nn::Context& ctx, const Backward& op, Saved& saved) const;

  void forward_cached(nn::Context& ctx, const ForwardCached& op) const;

 private:
  // Runs everything before the mlp.
  void attend(nn::Context& ctx,
              ConstTensor x,
              const nn::Sequences& sequences,
              Saved& saved) const;

  // Make the norms' outputs and their statistics.
  void norm_input(nn::Context& ctx, ConstTensor x, Saved& saved) const;
  void norm_mid(nn::Context& ctx, Saved& saved) const;

  nn::Norm norm1_;
  nn::Attention attention_;
  nn::Norm norm2_;
  nn::Mlp mlp_;
};

void for_each_buffer(Block::Saved& saved, const nn::BufferVisitor& visit);

}  // namespace dure::model
