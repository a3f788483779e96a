#include "dure/nn/attention.h"

#include <cmath>

#include "dure/nn/weight_queue.h"

namespace dure::nn {
namespace {

OwnedTensor scratch_for(const Context& ctx,
                        const kernels::AttentionShape& shape) {
  return ctx.workspace(
      {kernels::attention_scratch(shape, ctx.stream.team().members())},
      DType::kF32);
}

}  // namespace

kernels::AttentionShape Attention::shape_of(const Context& ctx,
                                            std::int64_t rows,
                                            std::int64_t samples) const {
  return {.batch = samples,
          .sequence = rows / samples,
          .heads = options_.shape.heads,
          .kv_heads = options_.shape.kv_heads,
          .head_dim = options_.shape.head_dim,
          .part = ctx.tensor.part().index,
          .parts = ctx.tensor.part().count};
}

float Attention::scale() const {
  return static_cast<float>(
      1 / std::sqrt(static_cast<double>(options_.shape.head_dim)));
}

// Counts whole samples.
kernels::DropoutMask Attention::mask(const Context& ctx,
                                     const Sequences& sequences) const {
  return options_.dropout.mask(ctx, sequences, 1);
}

void Attention::rope(Context& ctx,
                     Tensor qkv,
                     ConstTensor positions,
                     kernels::Turn turn) const {
  if (options_.rope_theta) {
    launch(ctx.stream,
           kernels::Rope{
               .qkv = qkv,
               .positions = positions,
               .head_dim = options_.shape.head_dim,
               .turned_heads = options_.shape.heads + options_.shape.kv_heads,
               .theta = *options_.rope_theta,
               .turn = turn});
  }
}

void Attention::forward(Context& ctx, const Forward& op, Saved& saved) const {
  const Sequences& sequences = op.sequences;
  const kernels::AttentionShape shape =
      shape_of(ctx, ctx.tensor.all_rows(op.x.shape()[0]), sequences.samples);
  const std::int64_t N = shape.rows();
  saved.qkv_NC = ctx.activation({N, shape.qkv_columns()}, op.x.dtype());
  saved.y_NC = ctx.activation({N, shape.heads * shape.head_dim}, op.x.dtype());
  saved.lse = ctx.activation({N, shape.heads}, DType::kF32);
  qkv_.forward(ctx, saved.qkv_NC, op.x);
  rope(ctx, saved.qkv_NC, sequences.positions, kernels::Turn::kForward);
  const OwnedTensor scratch = scratch_for(ctx, shape);
  launch(ctx.stream,
         kernels::Attention{.y = saved.y_NC,
                            .lse = saved.lse,
                            .qkv = saved.qkv_NC,
                            .shape = shape,
                            .scale = scale(),
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
  const ConstTensor y_NC = saved.y_NC;  // which the queue may take
  const OwnedTensor d_attention = ctx.workspace(y_NC.shape(), y_NC.dtype());
  projection_.backward(ctx,
                       {.d_x = d_attention,
                        .d_y = op.d_y,
                        .x = saved.y_NC,
                        .sequences = sequences});
  OwnedTensor d_qkv =
      room_for_weights(ctx, saved.qkv_NC.shape(), saved.qkv_NC.dtype());
  {
    const kernels::AttentionShape shape =
        shape_of(ctx, y_NC.shape()[0], sequences.samples);
    const OwnedTensor scratch = scratch_for(ctx, shape);
    launch(ctx.stream,
           kernels::AttentionBackward{.d_qkv = d_qkv,
                                      .d_y = d_attention,
                                      .y = y_NC,
                                      .lse = saved.lse,
                                      .qkv = saved.qkv_NC,
                                      .shape = shape,
                                      .scale = scale(),
                                      .mask = mask(ctx, sequences),
                                      .scratch = scratch});
  }
  rope(ctx, d_qkv, sequences.positions, kernels::Turn::kBackward);
  qkv_.backward(ctx, {.d_x = op.d_x, .d_y = d_qkv, .x = op.x});
  saved.y_NC = OwnedTensor();
}

void Attention::forward_cached(Context& ctx, const ForwardCached& op) const {
  const Sequences& sequences = op.sequences;
  const kernels::AttentionShape shape =
      shape_of(ctx, op.x.shape()[0], sequences.samples);
  const OwnedTensor qkv =
      ctx.workspace({shape.rows(), shape.qkv_columns()}, op.x.dtype());
  const OwnedTensor attended =
      ctx.workspace({shape.rows(), shape.heads * shape.head_dim}, op.x.dtype());
  qkv_.forward(ctx, qkv, op.x);
  rope(ctx, qkv, sequences.positions, kernels::Turn::kForward);
  launch(ctx.stream,
         kernels::CachedAttention{.y = attended,
                                  .k_cache = op.cache.k,
                                  .v_cache = op.cache.v,
                                  .qkv = qkv,
                                  .lengths = op.lengths,
                                  .shape = shape,
                                  .scale = scale()});
  projection_.forward(ctx,
                      {.y = op.y,
                       .x = attended,
                       .residual = op.residual,
                       .sequences = sequences});
}

}  // namespace dure::nn
