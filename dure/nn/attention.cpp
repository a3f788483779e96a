#include "dure/nn/attention.h"

#include <cmath>
#include <variant>

#include "dure/base/check.h"
#include "dure/kernels/cached_attention.h"
#include "dure/nn/weight_gradient_store.h"

namespace dure::nn {
namespace {

OwnedTensor scratch_for(const Context& ctx,
                        const kernels::AttentionInputs& inputs,
                        DType d_table = DType::kF32) {
  return ctx.workspace({kernels::attention_scratch(
                           inputs, ctx.stream.team().members(), d_table)},
                       DType::kF32);
}

}  // namespace

kernels::FusedHeads Attention::heads(std::int64_t samples) const {
  return {.samples = samples,
          .heads = options_.shape.heads,
          .kv_heads = options_.shape.kv_heads,
          .head_dim = options_.shape.head_dim};
}

kernels::AttentionInputs Attention::inputs(const Context& ctx,
                                           ConstTensor qkv,
                                           const Sequences& sequences,
                                           ConstTensor table) const {
  const kernels::FusedHeads fused = heads(sequences.samples);
  kernels::AttentionInputs in = {
      .q = heads_of_rows(qkv, fused.q()),
      .k = heads_of_rows(qkv, fused.k()),
      .v = heads_of_rows(qkv, fused.v()),
      .pattern = options_.pattern,
      .bias = {},
      .scale = static_cast<float>(
          1 / std::sqrt(static_cast<double>(fused.head_dim))),
      .part = ctx.tensor.part().index,
      .parts = ctx.tensor.part().count};
  if (sequences.segments) {
    in.pattern.documents =
        sequences.segments.reshaped({sequences.samples, in.k.at.rows});
  }
  in.pattern.key_lengths = sequences.lengths;
  if (const auto* alibi = std::get_if<AlibiPositions>(&options_.positions)) {
    in.bias.slopes = alibi->slopes;
  }
  if (const auto* relative =
          std::get_if<RelativePositions>(&options_.positions)) {
    in.bias.table = table;
    in.bias.zero = relative->zero;
  }
  return in;
}

// The index counts whole samples.
kernels::DropoutMask Attention::mask(const Context& ctx,
                                     const Sequences& sequences) const {
  return options_.dropout.mask(ctx, sequences, 1);
}

void Attention::rope(Context& ctx,
                     Tensor qkv,
                     ConstTensor positions,
                     kernels::Rotation rotation) const {
  if (const auto* rotary = std::get_if<RotaryPositions>(&options_.positions)) {
    launch(ctx.stream,
           kernels::Rope{
               .qkv = qkv,
               .positions = positions,
               .head_dim = options_.shape.head_dim,
               .rotated_heads = options_.shape.heads + options_.shape.kv_heads,
               .theta = rotary->theta,
               .rotation = rotation});
  }
}

void Attention::forward(Context& ctx, const Forward& op, Saved& saved) const {
  const Sequences& sequences = op.sequences;
  const kernels::FusedHeads fused = heads(sequences.samples);
  const std::int64_t N = ctx.tensor.all_rows(op.x.shape()[0]);
  saved.qkv_NC = ctx.activation({N, fused.columns()}, op.x.dtype());
  saved.y_NC = ctx.activation({N, fused.heads * fused.head_dim}, op.x.dtype());
  saved.lse = ctx.activation({N, fused.heads}, DType::kF32);
  qkv_.forward(ctx, saved.qkv_NC, op.x);
  rope(ctx, saved.qkv_NC, sequences.positions, kernels::Rotation::kForward);
  const kernels::AttentionInputs in =
      inputs(ctx, saved.qkv_NC, sequences, op.table);
  const OwnedTensor scratch = scratch_for(ctx, in);
  launch(ctx.stream,
         kernels::Attention{.y = saved.y_NC,
                            .lse = saved.lse,
                            .in = in,
                            .mask = mask(ctx, sequences),
                            .scratch = scratch});
  projection_.forward(ctx,
                      {.y = op.y,
                       .x = saved.y_NC,
                       .residual = op.residual,
                       .sequences = sequences});
}

void Attention::backward(Context& ctx, const Backward& op, Saved& saved) const {
  const Sequences& sequences = op.sequences;
  const ConstTensor y_NC = saved.y_NC;  // the queue may take it
  const OwnedTensor d_attention = ctx.workspace(y_NC.shape(), y_NC.dtype());
  projection_.backward(ctx,
                       {.d_x = d_attention,
                        .d_y = op.d_y,
                        .x = saved.y_NC,
                        .sequences = sequences});
  OwnedTensor d_qkv =
      room_for_weights(ctx, saved.qkv_NC.shape(), saved.qkv_NC.dtype());
  {
    const kernels::FusedHeads fused = heads(sequences.samples);
    const kernels::AttentionInputs in =
        inputs(ctx, saved.qkv_NC, sequences, op.table);
    const OwnedTensor scratch = scratch_for(ctx, in, op.d_table.dtype());
    launch(ctx.stream,
           kernels::AttentionBackward{.d_q = heads_of_rows(d_qkv, fused.q()),
                                      .d_k = heads_of_rows(d_qkv, fused.k()),
                                      .d_v = heads_of_rows(d_qkv, fused.v()),
                                      .d_table = op.d_table,
                                      .d_y = d_attention,
                                      .y = y_NC,
                                      .lse = saved.lse,
                                      .in = in,
                                      .mask = mask(ctx, sequences),
                                      .scratch = scratch});
  }
  rope(ctx, d_qkv, sequences.positions, kernels::Rotation::kBackward);
  qkv_.backward(ctx, {.d_x = op.d_x, .d_y = d_qkv, .x = op.x});
  saved.y_NC = OwnedTensor();
}

void Attention::forward_cached(Context& ctx, const ForwardCached& op) const {
  const Sequences& sequences = op.sequences;
  DURE_CHECK(!sequences.segments && !sequences.lengths,
             "what is read next is whole sequences: wanted no segments and no "
             "lengths");
  const std::int64_t N = op.x.shape()[0];
  const kernels::FusedHeads fused = heads(sequences.samples);
  const OwnedTensor qkv = ctx.workspace({N, fused.columns()}, op.x.dtype());
  const OwnedTensor attended =
      ctx.workspace({N, fused.heads * fused.head_dim}, op.x.dtype());
  qkv_.forward(ctx, qkv, op.x);
  rope(ctx, qkv, sequences.positions, kernels::Rotation::kForward);
  kernels::AttentionInputs in = inputs(ctx, qkv, sequences, op.table);
  launch(ctx.stream,
         kernels::CacheAppend{.k_cache = op.cache.k,
                              .v_cache = op.cache.v,
                              .k = in.k,
                              .v = in.v,
                              .lengths = op.lengths});
  in.k = kernels::heads_of_cache(op.cache.k);
  in.v = kernels::heads_of_cache(op.cache.v);
  in.pattern.offset = {.value = in.k.at.rows - in.q.at.rows,
                       .each = op.lengths};
  const OwnedTensor scratch = ctx.workspace(
      {kernels::cached_attention_scratch(in, ctx.stream.team().members())},
      DType::kF32);
  launch(ctx.stream,
         kernels::CachedAttention{.y = attended, .in = in, .scratch = scratch});
  projection_.forward(ctx,
                      {.y = op.y,
                       .x = attended,
                       .residual = op.residual,
                       .sequences = sequences});
}

}  // namespace dure::nn
