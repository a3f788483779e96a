#include "dure/model/block.h"

#include <string>

#include "dure/model/parts.h"

namespace dure::model {
namespace {

std::string prefix(std::int64_t index) {
  return "blocks." + std::to_string(index) + ".";
}

nn::ResidualLinear make_residual(const ModelConfig& config,
                                 std::uint64_t seed,
                                 nn::ParameterSet& parameters,
                                 const std::string& name) {
  return nn::ResidualLinear(make_linear(config, parameters, name),
                            nn::Dropout(seed, name, config.dropout));
}

nn::Attention make_attention(const ModelConfig& config,
                             std::uint64_t seed,
                             nn::ParameterSet& parameters,
                             const std::string& name) {
  const nn::Attention::Options options = {
      .shape = {.heads = config.heads,
                .kv_heads = config.kv_heads,
                .head_dim = config.head_dim()},
      .rope_theta = config.position == Position::kRope
                        ? std::optional(config.rope_theta)
                        : std::nullopt,
      .dropout = nn::Dropout(seed, name, config.dropout)};
  return nn::Attention(
      make_linear(config, parameters, name + ".qkv"),
      make_residual(config, seed, parameters, name + ".projection"),
      options);
}

nn::Mlp make_mlp(const ModelConfig& config,
                 std::uint64_t seed,
                 nn::ParameterSet& parameters,
                 const std::string& name) {
  const bool swiglu = config.activation == Activation::kSwiglu;
  return nn::Mlp(
      make_linear(config, parameters, name + (swiglu ? ".gate_up" : ".up")),
      make_residual(config, seed, parameters, name + ".down"),
      swiglu ? nn::MlpKind::kSwiglu : nn::MlpKind::kGelu,
      config.ffn_hidden);
}

}  // namespace

Block::Block(const ModelConfig& config,
             std::uint64_t seed,
             std::int64_t index,
             nn::ParameterSet& parameters)
    : norm1_(make_norm(config, parameters, prefix(index) + "norm1")),
      attention_(make_attention(
          config, seed, parameters, prefix(index) + "attention")),
      norm2_(make_norm(config, parameters, prefix(index) + "norm2")),
      mlp_(make_mlp(config, seed, parameters, prefix(index) + "mlp")) {}

void Block::forward(nn::Context& ctx,
                    Tensor y,
                    ConstTensor x,
                    ConstTensor positions,
                    std::int64_t samples,
                    Saved& saved) const {
  saved.norm1_NC = ctx.activation(x.shape());
  norm1_.forward(ctx, saved.norm1_NC, x, saved.norm1);
  saved.mid_NC = ctx.activation(x.shape());
  attention_.forward(ctx,
                     saved.mid_NC,
                     saved.norm1_NC,
                     x,
                     positions,
                     samples,
                     saved.attention);
  saved.norm2_NC = ctx.activation(x.shape());
  norm2_.forward(ctx, saved.norm2_NC, saved.mid_NC, saved.norm2);
  mlp_.forward(ctx, y, saved.norm2_NC, saved.mid_NC, samples, saved.mlp);
}

void Block::backward(nn::Context& ctx,
                     Tensor d_NC,
                     std::int64_t samples,
                     Saved& saved) const {
  const OwnedTensor d_branch = ctx.workspace(d_NC.shape());
  mlp_.backward(ctx, d_branch, d_NC, saved.mlp);
  norm2_.backward(ctx, d_NC, d_branch, saved.norm2, d_NC);
  saved.mlp = {};
  attention_.backward(ctx, d_branch, d_NC, samples, saved.attention);
  norm1_.backward(ctx, d_NC, d_branch, saved.norm1, d_NC);
  saved = {};
}

void Block::forward_cached(nn::Context& ctx,
                           Tensor y,
                           ConstTensor x,
                           ConstTensor positions,
                           ConstTensor lengths,
                           const nn::Attention::Cache& cache) const {
  const OwnedTensor normed = ctx.workspace(x.shape());
  const OwnedTensor mid = ctx.workspace(x.shape());
  nn::Norm::Saved unused;
  norm1_.forward(ctx, normed, x, unused);
  attention_.forward_cached(ctx, mid, normed, x, positions, lengths, cache);
  norm2_.forward(ctx, normed, mid, unused);
  nn::Mlp::Saved saved;
  mlp_.forward(ctx, y, normed, mid, lengths.elements(), saved);
}

}  // namespace dure::model
