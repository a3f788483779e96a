// Causal self-attention, onto the residual stream [1, section 3.2.2].
//
//   y = residual + projection(attention(rope(qkv(x))))
//
// [1] Vaswani et al. 2017, arXiv:1706.03762.
#pragma once

#include <optional>

#include "dure/kernels/attention.h"
#include "dure/kernels/rope.h"
#include "dure/nn/all_to_sharded.h"
#include "dure/nn/sharded_to_all.h"

namespace dure::nn {

// N = B S rows, of which a stream has n here; H heads, G key-value heads of D
// each, on this tensor rank: attention is by head, so ranks share the heads out
// and do it alone.
class Attention {
 public:
  struct Shape {
    std::int64_t heads = 0;
    std::int64_t kv_heads = 0;
    std::int64_t head_dim = 0;
  };

  struct Saved {
    AllToSharded::Saved qkv;
    ShardedToAll::Saved projection;
    OwnedTensor qkv_NC;  // (N, (H + 2G) D)   after rope
    OwnedTensor y_NC;    // (N, HD)           before the projection
    OwnedTensor lse;     // (N, H)
    ConstTensor positions;
    kernels::DropoutMask mask;

    // x of the forward is here now.
    void move_x(ConstTensor x) { qkv.x = x; }
  };

  // Keys and values of the positions so far, of one layer: views.
  struct Cache {
    Tensor k;  // (B, G, S, D)
    Tensor v;  // (B, G, S, D)
  };

  struct Options {
    Shape shape;
    std::optional<double> rope_theta;  // nothing: no rotary positions
    Dropout dropout;                   // of the attention's weights
  };

  Attention(AllToSharded qkv, ShardedToAll projection, Options options)
      : qkv_(qkv), projection_(projection), options_(options) {}

  // x, residual, y (n, C), streams; y may be residual. positions (N) i32.
  void forward(Context& ctx,
               Tensor y,
               ConstTensor x,
               ConstTensor residual,
               ConstTensor positions,
               std::int64_t samples,
               Saved& saved) const;

  // d_x, d_y (n, C); d_x may not be d_y. Takes y_NC of `saved`; saved.qkv.x is
  // the caller's to release (weight_queue.h).
  void backward(Context& ctx,
                Tensor d_x,
                ConstTensor d_y,
                std::int64_t samples,
                Saved& saved) const;

  // The next rows of each sequence, lengths[b] of which are in the cache.
  // Streams are whole.
  void forward_cached(Context& ctx,
                      Tensor y,
                      ConstTensor x,
                      ConstTensor residual,
                      ConstTensor positions,
                      ConstTensor lengths,
                      const Cache& cache) const;

 private:
  kernels::AttentionShape shape_of(const Context& ctx,
                                   std::int64_t rows,
                                   std::int64_t samples) const;
  float scale() const;
  void rope(Context& ctx,
            Tensor qkv,
            ConstTensor positions,
            kernels::Turn turn) const;

  AllToSharded qkv_;
  ShardedToAll projection_;
  Options options_;
};

}  // namespace dure::nn
