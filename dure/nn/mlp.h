// The feed-forward layer, onto the residual stream: GELU (GPT) or SwiGLU
// (Llama).
//
//   y = residual + down(gelu(up(x)))
//   y = residual + down(swiglu(gate_up(x)))
#pragma once

#include "dure/nn/all_to_sharded.h"
#include "dure/nn/sharded_to_all.h"

namespace dure::nn {

enum class MlpKind : std::uint8_t { kGelu, kSwiglu };

// N rows, of which a stream has n here; F columns on this tensor rank, which
// acts on them alone.
class Mlp {
 public:
  struct Saved {
    AllToSharded::Saved up;
    ShardedToAll::Saved down;
    OwnedTensor up_NU;      // (N, F), or (N, 2F) for SwiGLU: before it acts
    OwnedTensor active_NF;  // (N, F)
  };

  // `up` is (F, C), or (2F, C) for SwiGLU, gate first.
  Mlp(AllToSharded up, ShardedToAll down, MlpKind kind, std::int64_t ffn_hidden)
      : up_(up), down_(down), kind_(kind), ffn_hidden_(ffn_hidden) {}

  // x, residual, y (n, C), streams; y may be residual.
  void forward(Context& ctx,
               Tensor y,
               ConstTensor x,
               ConstTensor residual,
               std::int64_t samples,
               Saved& saved) const;

  // What forward() leaves in `saved`; y is not made.
  void save(Context& ctx,
            ConstTensor x,
            std::int64_t samples,
            Saved& saved) const;

  // Frees what remake_cheap() makes again, given the x of the forward.
  static void drop_cheap(Saved& saved) { saved.active_NF = OwnedTensor(); }
  void remake_cheap(Context& ctx, ConstTensor x, Saved& saved) const;

  // Frees what it no longer needs of `saved` on the way, or gives it to the
  // queue; saved.up.x is the caller's to release (weight_queue.h).
  void backward(Context& ctx, Tensor d_x, ConstTensor d_y, Saved& saved) const;

 private:
  // up_NU and active_NF of `saved`.
  void expand(Context& ctx, ConstTensor x, Saved& saved) const;
  void activate(Context& ctx, Saved& saved) const;

  AllToSharded up_;
  ShardedToAll down_;
  MlpKind kind_;
  std::int64_t ffn_hidden_;
};

}  // namespace dure::nn
