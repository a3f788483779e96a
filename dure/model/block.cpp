#include "dure/model/block.h"

#include <algorithm>
#include <string>

#include "dure/model/layer_factories.h"

namespace dure::model {
namespace {

std::string prefix(std::int64_t index) {
  return "blocks." + std::to_string(index) + ".";
}

// This part of the heads. If there are fewer key-value heads than parts,
// neighbours share them (weights.h).
nn::Attention::Shape attention_shape(const ModelConfig& config,
                                     mesh::Part part) {
  return {.heads = config.heads / part.count,
          .kv_heads = std::max<std::int64_t>(config.kv_heads / part.count, 1),
          .head_dim = config.head_dim()};
}

nn::Attention make_attention(const UnitParts& parts, const std::string& name) {
  const ModelConfig& config = parts.config;
  const nn::Attention::Options options = {
      .shape = attention_shape(config, parts.tensor()),
      .pattern = attention_pattern(config),
      .positions = make_positions(config, parts.tensor()),
      .dropout = nn::Dropout(parts.seed, name, config.dropout.attention)};
  return nn::Attention(
      make_all_to_sharded(config, parts.parameters, name + ".qkv"),
      make_sharded_to_all(
          config, parts.seed, parts.parameters, name + ".projection"),
      options);
}

nn::Mlp make_mlp(const UnitParts& parts, const std::string& name) {
  const ModelConfig& config = parts.config;
  const bool swiglu = config.activation == Activation::kSwiglu;
  return nn::Mlp(
      make_all_to_sharded(
          config, parts.parameters, name + (swiglu ? ".gate_up" : ".up")),
      make_sharded_to_all(config, parts.seed, parts.parameters, name + ".down"),
      swiglu ? nn::MlpKind::kSwiglu : nn::MlpKind::kGelu,
      config.ffn_hidden / parts.tensor().count);
}

}  // namespace

Block::Block(const UnitParts& parts, std::int64_t index)
    : norm1_(
          make_norm(parts.config, parts.parameters, prefix(index) + "norm1")),
      attention_(make_attention(parts, prefix(index) + "attention")),
      norm2_(
          make_norm(parts.config, parts.parameters, prefix(index) + "norm2")),
      mlp_(make_mlp(parts, prefix(index) + "mlp")) {}

void Block::forward(nn::Context& ctx, const Forward& op, Saved& saved) const {
  attend(ctx, op.x, op.sequences, saved);
  mlp_.forward(ctx,
               {.y = op.y,
                .x = saved.norm2_nC,
                .residual = saved.mid_nC,
                .sequences = op.sequences},
               saved.mlp);
}

void Block::save(nn::Context& ctx,
                 ConstTensor x,
                 const nn::Sequences& sequences,
                 Saved& saved) const {
  attend(ctx, x, sequences, saved);
  mlp_.save(ctx, saved.norm2_nC, saved.mlp);
}

void Block::attend(nn::Context& ctx,
                   ConstTensor x,
                   const nn::Sequences& sequences,
                   Saved& saved) const {
  norm_input(ctx, x, saved);
  saved.mid_nC = ctx.activation(x.shape(), x.dtype());
  attention_.forward(ctx,
                     {.y = saved.mid_nC,
                      .x = saved.norm1_nC,
                      .residual = x,
                      .sequences = sequences},
                     saved.attention);
  norm_mid(ctx, saved);
}

void Block::norm_input(nn::Context& ctx, ConstTensor x, Saved& saved) const {
  saved.norm1_nC = ctx.activation(x.shape(), norm1_.dtype());
  norm1_.forward(ctx, saved.norm1_nC, x, saved.norm1);
}

void Block::norm_mid(nn::Context& ctx, Saved& saved) const {
  saved.norm2_nC = ctx.activation(saved.mid_nC.shape(), norm2_.dtype());
  norm2_.forward(ctx, saved.norm2_nC, saved.mid_nC, saved.norm2);
}

void Block::drop_cheap(Saved& saved) {
  saved.norm1 = {};
  saved.norm1_nC = OwnedTensor();
  saved.norm2 = {};
  saved.norm2_nC = OwnedTensor();
  nn::Mlp::drop_cheap(saved.mlp);
}

void Block::remake_cheap(nn::Context& ctx, ConstTensor x, Saved& saved) const {
  norm_input(ctx, x, saved);
  norm_mid(ctx, saved);
  mlp_.remake_cheap(ctx, saved.mlp);
}

void Block::backward(nn::Context& ctx, const Backward& op, Saved& saved) const {
  const Tensor d_nC = op.d_nC;
  const OwnedTensor d_branch = ctx.workspace(d_nC.shape(), norm1_.dtype());
  mlp_.backward(ctx,
                {.d_x = d_branch,
                 .d_y = d_nC,
                 .x = saved.norm2_nC,
                 .sequences = op.sequences},
                saved.mlp);
  norm2_.backward(
      ctx,
      {.d_x = d_nC, .d_y = d_branch, .x = saved.mid_nC, .residual = d_nC},
      saved.norm2);
  attention_.backward(ctx,
                      {.d_x = d_branch,
                       .d_y = d_nC,
                       .x = saved.norm1_nC,
                       .sequences = op.sequences},
                      saved.attention);
  norm1_.backward(ctx,
                  {.d_x = d_nC, .d_y = d_branch, .x = op.x, .residual = d_nC},
                  saved.norm1);
  saved = {};
}

void Block::forward_cached(nn::Context& ctx, const ForwardCached& op) const {
  const OwnedTensor normed = ctx.workspace(op.x.shape(), norm1_.dtype());
  const OwnedTensor mid = ctx.workspace(op.x.shape(), op.x.dtype());
  nn::Norm::Saved unused;
  norm1_.forward(ctx, normed, op.x, unused);
  attention_.forward_cached(ctx,
                            {.y = mid,
                             .x = normed,
                             .residual = op.x,
                             .sequences = op.sequences,
                             .lengths = op.lengths,
                             .cache = op.cache});
  norm2_.forward(ctx, normed, mid, unused);
  nn::Mlp::Saved saved;
  mlp_.forward(
      ctx,
      {.y = op.y, .x = normed, .residual = mid, .sequences = op.sequences},
      saved);
}

void for_each_buffer(Block::Saved& saved, const nn::BufferVisitor& visit) {
  for_each_buffer(saved.norm1, visit);
  for_each_buffer(saved.attention, visit);
  for_each_buffer(saved.norm2, visit);
  for_each_buffer(saved.mlp, visit);
  nn::visit_buffers({&saved.norm1_nC, &saved.mid_nC, &saved.norm2_nC}, visit);
}

}  // namespace dure::model
