// The feed-forward layer, onto the residual stream: GELU (GPT) or SwiGLU
// (Llama).
//
//   y = residual + down(gelu(up(x)))
//   y = residual + down(swiglu(gate_up(x)))
#pragma once

#include "dure/nn/residual_dropout.h"

namespace dure::nn {

enum class MlpKind : std::uint8_t { kGelu, kSwiglu };

class Mlp {
 public:
  struct Saved {
    Linear::Saved up;
    ResidualLinear::Saved down;
    OwnedTensor up_NU;      // (N, F), or (N, 2F) for SwiGLU: before it acts
    OwnedTensor active_NF;  // (N, F)
  };

  // `up` is (F, C), or (2F, C) for SwiGLU.
  Mlp(Linear up, ResidualLinear down, MlpKind kind, std::int64_t ffn_hidden)
      : up_(up), down_(down), kind_(kind), ffn_hidden_(ffn_hidden) {}

  // x, residual, y (N, C); y may be residual.
  void forward(Context& ctx,
               Tensor y,
               ConstTensor x,
               ConstTensor residual,
               std::int64_t samples,
               Saved& saved) const;

  // Frees what it no longer needs of `saved` on the way.
  void backward(Context& ctx, Tensor d_x, ConstTensor d_y, Saved& saved) const;

 private:
  void activate(Context& ctx, const Saved& saved) const;

  Linear up_;
  ResidualLinear down_;
  MlpKind kind_;
  std::int64_t ffn_hidden_;
};

}  // namespace dure::nn
