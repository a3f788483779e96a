// Self-attention, onto the residual stream [1, section 3.2.2].
//
//   y = residual + projection(attention(rope(qkv(x))))
//
// A pattern says which keys a query sees (kernels/attention_pattern.h); within
// a sequence its segments and its length do, too (sequences.h). rope is applied
// with rotary positions only.
//
// [1] Vaswani et al. 2017, arXiv:1706.03762.
#pragma once

#include <utility>

#include "dure/kernels/attention.h"
#include "dure/kernels/rope.h"
#include "dure/nn/all_to_sharded.h"
#include "dure/nn/buffers.h"
#include "dure/nn/positions.h"
#include "dure/nn/sharded_to_all.h"

namespace dure::nn {

// There are N = B S rows, and a stream has n of them here. This tensor rank has
// H heads and G key-value heads of D each: attention goes by head, so ranks
// divide the heads and need no communication.
class Attention {
 public:
  struct Shape {
    std::int64_t heads = 0;
    std::int64_t kv_heads = 0;
    std::int64_t head_dim = 0;
  };

  struct Saved {
    OwnedTensor qkv_NC;  // (N, (H + 2G) D)   after rope
    OwnedTensor y_NC;    // (N, HD)           before the projection
    OwnedTensor lse;     // (N, H)
  };

  struct Forward {
    Tensor y;              // (n, C), a stream   overwritten; may be residual
    ConstTensor x;         // (n, C), a stream
    ConstTensor residual;  // (n, C), a stream
    const Sequences& sequences;
    ConstTensor table = {};  // (H, distances) f32, with relative positions
  };

  struct Backward {
    Tensor d_x;       // (n, C)   overwritten; may not be d_y
    ConstTensor d_y;  // (n, C)
    OwnedTensor& x;   // (n, C)   the forward's; as in AllToSharded
    const Sequences& sequences;
    ConstTensor table = {};  // the forward's
    Tensor d_table = {};     // as table   added to
  };

  // The keys and values of a layer for the positions so far: views.
  struct Cache {
    Tensor k;  // (B, G, S, D)
    Tensor v;  // (B, G, S, D)
  };

  // The next rows of each sequence, of which lengths[b] are in the cache.
  // Streams are whole, and each sequence is one segment.
  struct ForwardCached {
    Tensor y;              // (N, C)   overwritten; may be residual
    ConstTensor x;         // (N, C)
    ConstTensor residual;  // (N, C)
    const Sequences& sequences;
    ConstTensor lengths;  // (B) i32
    const Cache& cache;
    ConstTensor table = {};  // as in Forward
  };

  struct Options {
    Shape shape;
    kernels::AttentionPattern pattern;
    Positions positions;
    Dropout dropout;  // of the attention's weights
  };

  Attention(AllToSharded qkv, ShardedToAll projection, Options options)
      : qkv_(qkv), projection_(projection), options_(std::move(options)) {}

  void forward(Context& ctx, const Forward& op, Saved& saved) const;

  // The queue takes y_NC of `saved` (weight_gradient_store.h).
  void backward(Context& ctx, const Backward& op, Saved& saved) const;

  void forward_cached(Context& ctx, const ForwardCached& op) const;

 private:
  kernels::FusedHeads heads(std::int64_t samples) const;
  // The operands of attention: a fused product, after rope, and a table.
  kernels::AttentionInputs inputs(const Context& ctx,
                                  ConstTensor qkv,
                                  const Sequences& sequences,
                                  ConstTensor table) const;
  kernels::DropoutMask mask(const Context& ctx,
                            const Sequences& sequences) const;
  void rope(Context& ctx,
            Tensor qkv,
            ConstTensor positions,
            kernels::Rotation rotation) const;

  AllToSharded qkv_;
  ShardedToAll projection_;
  Options options_;
};

inline void for_each_buffer(Attention::Saved& saved,
                            const BufferVisitor& visit) {
  visit_buffers({&saved.qkv_NC, &saved.y_NC, &saved.lse}, visit);
}

}  // namespace dure::nn
