// The feed-forward layer, onto the residual stream: GELU (GPT) or SwiGLU
// (Llama).
//
//   y = residual + down(gelu(up(x)))
//   y = residual + down(swiglu(gate_up(x)))
#pragma once

#include "dure/nn/all_to_sharded.h"
#include "dure/nn/buffers.h"
#include "dure/nn/sharded_to_all.h"

namespace dure::nn {

enum class MlpKind : std::uint8_t { kGelu, kSwiglu };

// There are N rows, and a stream has n of them here. This tensor rank has F
// columns, and applies the activation to them alone.
class Mlp {
 public:
  struct Saved {
    OwnedTensor up_NU;      // (N, F), or (N, 2F) for SwiGLU: before activation
    OwnedTensor active_NF;  // (N, F)
  };

  struct Forward {
    Tensor y;              // (n, C), a stream   overwritten; may be residual
    ConstTensor x;         // (n, C), a stream
    ConstTensor residual;  // (n, C), a stream
    const Sequences& sequences;
  };

  struct Backward {
    Tensor d_x;       // (n, C)   overwritten
    ConstTensor d_y;  // (n, C)
    OwnedTensor& x;   // (n, C)   the forward's; as in AllToSharded
    const Sequences& sequences;
  };

  // `up` is (F, C), or (2F, C) for SwiGLU, gate first.
  Mlp(AllToSharded up, ShardedToAll down, MlpKind kind, std::int64_t ffn_hidden)
      : up_(up), down_(down), kind_(kind), ffn_hidden_(ffn_hidden) {}

  void forward(Context& ctx, const Forward& op, Saved& saved) const;

  // Fills `saved` as forward() does, but does not make y.
  void save(Context& ctx, ConstTensor x, Saved& saved) const;

  // Frees the tensors that remake_cheap() makes again.
  static void drop_cheap(Saved& saved) { saved.active_NF = OwnedTensor(); }
  void remake_cheap(Context& ctx, Saved& saved) const;

  // Frees parts of `saved` when they are no longer needed; the queue takes all
  // of it (weight_gradient_store.h).
  void backward(Context& ctx, const Backward& op, Saved& saved) const;

 private:
  AllToSharded up_;
  ShardedToAll down_;
  MlpKind kind_;
  std::int64_t ffn_hidden_;
};

inline void for_each_buffer(Mlp::Saved& saved, const BufferVisitor& visit) {
  visit_buffers({&saved.up_NU, &saved.active_NF}, visit);
}

}  // namespace dure::nn
