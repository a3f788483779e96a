#include "dure/nn/attention.h"

#include <cmath>
#include <utility>

#include "dure/nn/weight_queue.h"

namespace dure::nn {

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

void Attention::forward(Context& ctx,
                        Tensor y,
                        ConstTensor x,
                        ConstTensor residual,
                        ConstTensor positions,
                        std::int64_t samples,
                        Saved& saved) const {
  const kernels::AttentionShape shape =
      shape_of(ctx, ctx.tensor.all_rows(x.shape()[0]), samples);
  const std::int64_t N = shape.rows();
  saved.positions = positions;
  saved.qkv_NC = ctx.activation({N, shape.qkv_columns()}, DType::kF32);
  saved.y_NC = ctx.activation({N, shape.heads * shape.head_dim}, DType::kF32);
  saved.lse = ctx.activation({N, shape.heads}, DType::kF32);
  saved.mask = options_.dropout.mask(ctx, 1);  // counts whole samples
  qkv_.forward(ctx, saved.qkv_NC, x, saved.qkv);
  rope(ctx, saved.qkv_NC, positions, kernels::Turn::kForward);
  const OwnedTensor scratch = ctx.workspace(
      {kernels::attention_scratch(shape, ctx.stream.team().members())},
      DType::kF32);
  launch(ctx.stream,
         kernels::Attention{.y = saved.y_NC,
                            .lse = saved.lse,
                            .qkv = saved.qkv_NC,
                            .shape = shape,
                            .scale = scale(),
                            .mask = saved.mask,
                            .scratch = scratch});
  projection_.forward(ctx, y, saved.y_NC, residual, samples, saved.projection);
}

void Attention::backward(Context& ctx,
                         Tensor d_x,
                         ConstTensor d_y,
                         std::int64_t samples,
                         Saved& saved) const {
  const kernels::AttentionShape shape =
      shape_of(ctx, ctx.tensor.all_rows(d_y.shape()[0]), samples);
  const OwnedTensor d_attention =
      ctx.workspace(saved.y_NC.shape(), DType::kF32);
  projection_.backward(ctx, d_attention, d_y, saved.projection);
  OwnedTensor d_qkv = room_for_weights(ctx, saved.qkv_NC.shape());
  {
    const OwnedTensor scratch = ctx.workspace(
        {kernels::attention_scratch(shape, ctx.stream.team().members())},
        DType::kF32);
    launch(ctx.stream,
           kernels::AttentionBackward{.d_qkv = d_qkv,
                                      .d_y = d_attention,
                                      .y = saved.y_NC,
                                      .lse = saved.lse,
                                      .qkv = saved.qkv_NC,
                                      .shape = shape,
                                      .scale = scale(),
                                      .mask = saved.mask,
                                      .scratch = scratch});
  }
  rope(ctx, d_qkv, saved.positions, kernels::Turn::kBackward);
  qkv_.backward(ctx, d_x, d_qkv, saved.qkv);
  release(ctx, std::move(saved.y_NC));
  release(ctx, std::move(d_qkv));
}

void Attention::forward_cached(Context& ctx,
                               Tensor y,
                               ConstTensor x,
                               ConstTensor residual,
                               ConstTensor positions,
                               ConstTensor lengths,
                               const Cache& cache) const {
  const std::int64_t samples = lengths.elements();
  const kernels::AttentionShape shape = shape_of(ctx, x.shape()[0], samples);
  const OwnedTensor qkv =
      ctx.workspace({shape.rows(), shape.qkv_columns()}, DType::kF32);
  const OwnedTensor attended =
      ctx.workspace({shape.rows(), shape.heads * shape.head_dim}, DType::kF32);
  AllToSharded::Saved unused;
  qkv_.forward(ctx, qkv, x, unused);
  rope(ctx, qkv, positions, kernels::Turn::kForward);
  launch(ctx.stream,
         kernels::CachedAttention{.y = attended,
                                  .k_cache = cache.k,
                                  .v_cache = cache.v,
                                  .qkv = qkv,
                                  .lengths = lengths,
                                  .shape = shape,
                                  .scale = scale()});
  ShardedToAll::Saved saved;
  projection_.forward(ctx, y, attended, residual, samples, saved);
}

}  // namespace dure::nn
