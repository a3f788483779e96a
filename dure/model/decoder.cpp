#include "dure/model/decoder.h"

#include <algorithm>
#include <utility>

#include "dure/kernels/transfer.h"
#include "dure/model/parts.h"
#include "dure/model/weights.h"

namespace dure::model {
namespace {

using nn::Uses;

int unit_of_block(std::size_t i) {
  return block_unit(static_cast<std::int64_t>(i));
}

Shape to_shape(const mesh::Dims& dims) {
  return dims.size() == 1 ? Shape{dims[0]} : Shape{dims[0], dims[1]};
}

void add_weights(const ModelConfig& config,
                 nn::ParameterSet& parameters,
                 std::int64_t parts) {
  for (const WeightSpec& spec : weights(config, parts)) {
    parameters.add(spec.name,
                   to_shape(local_shape(spec.shape, spec.sharding, parts)),
                   spec.sharding,
                   spec.decay == Decay::kYes,
                   spec.units);
  }
}

// The same, of a pass that is not one of training.
nn::Context quiet(const nn::Context& ctx) {
  nn::Context result = ctx;
  result.phase = nn::Phase::kEvaluate;
  return result;
}

}  // namespace

Decoder::Decoder(const ModelConfig& config,
                 std::uint64_t seed,
                 nn::ParameterSet& parameters,
                 mesh::Part part)
    : config_(config), part_(part), parameters_(&parameters) {
  add_weights(config, parameters, part.count);
  nn::Parameter& token = parameters["embedding.token.weight"];
  nn::Parameter* position = config.position == Position::kLearned
                                ? &parameters["embedding.position.weight"]
                                : nullptr;
  embedding_.emplace(
      token, position, nn::Dropout(seed, "embedding", config.dropout), part);
  blocks_.reserve(static_cast<std::size_t>(config.layers));
  for (std::int64_t i = 0; i < config.layers; ++i) {
    blocks_.emplace_back(config, seed, i, parameters, part);
  }
  final_norm_.emplace(make_norm(config, parameters, "final_norm"));
  head_.emplace(config.tie_embeddings ? token : parameters["head.weight"],
                config.vocabulary,
                part);
}

std::int64_t Decoder::padded_vocabulary() const {
  return model::padded_vocabulary(config_.vocabulary, part_.count);
}

void Decoder::forward_normed(nn::Context& ctx,
                             const Batch& batch,
                             Saved& saved) const {
  forward_blocks(ctx, batch, saved);
  saved.normed_nC = ctx.activation(saved.output_nC.shape());
  in_unit(ctx, norm_unit(config_.layers), Uses::kValues, [&] {
    final_norm_->forward(
        ctx, saved.normed_nC, saved.output_nC, saved.final_norm);
  });
}

void Decoder::forward_blocks(nn::Context& ctx,
                             const Batch& batch,
                             Saved& saved) const {
  while (saved.blocks.size() < blocks_.size()) {
    saved.blocks.push_back(make_kept_block(saved.keeping));
  }
  const Shape shape = stream_shape(ctx, batch);
  OwnedTensor x_nC = ctx.activation(shape);
  in_unit(ctx, kEmbeddingUnit, Uses::kValues, [&] {
    embedding_->forward(
        ctx, x_nC, batch.ids, batch.positions, batch.samples, saved.embedding);
  });
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    OwnedTensor y_nC = ctx.activation(shape);
    in_unit(ctx, unit_of_block(i), Uses::kValues, [&] {
      saved.blocks[i]->forward(ctx,
                               blocks_[i],
                               y_nC,
                               std::move(x_nC),
                               batch.positions,
                               batch.samples);
    });
    x_nC = std::move(y_nC);
  }
  saved.output_nC = std::move(x_nC);
}

void Decoder::forward(nn::Context& ctx,
                      Tensor loss,
                      const Batch& batch,
                      float d_loss,
                      Saved& saved) const {
  forward_normed(ctx, batch, saved);
  in_unit(ctx, head_unit(config_.layers), Uses::kBoth, [&] {
    head_->forward(
        ctx, loss, saved.normed_nC, batch.targets, d_loss, saved.head);
  });
}

void Decoder::backward(nn::Context& ctx,
                       const Batch& batch,
                       Saved& saved) const {
  saved.normed_nC = OwnedTensor();
  const OwnedTensor d_nC = std::move(saved.head.d_x);
  in_unit(ctx, norm_unit(config_.layers), Uses::kBoth, [&] {
    final_norm_->backward(ctx, d_nC, d_nC, saved.final_norm);
  });
  saved.final_norm = {};
  saved.output_nC = OwnedTensor();
  backward_blocks(ctx, d_nC, batch, saved);
  in_unit(ctx, kEmbeddingUnit, Uses::kGradients, [&] {
    embedding_->backward(ctx, d_nC, saved.embedding);
  });
}

void Decoder::backward_blocks(nn::Context& ctx,
                              Tensor d_nC,
                              const Batch& batch,
                              Saved& saved) const {
  saved.blocks.back()->prepare(ctx);
  for (std::size_t i = blocks_.size(); i-- > 0;) {
    if (i > 0) {
      saved.blocks[i - 1]->prepare(ctx);
    }
    in_unit(ctx, unit_of_block(i), Uses::kBoth, [&] {
      saved.blocks[i]->backward(
          ctx, blocks_[i], d_nC, batch.positions, batch.samples);
    });
  }
}

void Decoder::forward_logits(nn::Context& ctx,
                             Tensor logits,
                             const Batch& batch,
                             Saved& saved) const {
  forward_normed(ctx, batch, saved);
  in_unit(ctx, head_unit(config_.layers), Uses::kValues, [&] {
    head_->logits(ctx, logits, saved.normed_nC);
  });
}

void Decoder::backward_logits(nn::Context& ctx,
                              ConstTensor d_logits,
                              const Batch& batch,
                              Saved& saved) const {
  in_unit(ctx, head_unit(config_.layers), Uses::kBoth, [&] {
    head_->backward_logits(ctx, d_logits, saved.normed_nC, saved.head);
  });
  backward(ctx, batch, saved);
}

OwnedTensor Decoder::run_without_saving(nn::Context& ctx,
                                        const Batch& batch) const {
  const Shape shape = stream_shape(ctx, batch);
  OwnedTensor x_nC = ctx.activation(shape);
  OwnedTensor y_nC = ctx.activation(shape);
  nn::Embedding::Saved unused;
  in_unit(ctx, kEmbeddingUnit, Uses::kValues, [&] {
    embedding_->forward(
        ctx, x_nC, batch.ids, batch.positions, batch.samples, unused);
  });
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    Block::Saved saved;
    in_unit(ctx, unit_of_block(i), Uses::kValues, [&] {
      blocks_[i].forward(
          ctx, y_nC, x_nC, batch.positions, batch.samples, saved);
    });
    std::swap(x_nC, y_nC);
  }
  nn::Norm::Saved norm;
  in_unit(ctx, norm_unit(config_.layers), Uses::kValues, [&] {
    final_norm_->forward(ctx, y_nC, x_nC, norm);
  });
  return y_nC;
}

void Decoder::evaluate(nn::Context& ctx,
                       Tensor loss,
                       const Batch& batch) const {
  nn::Context without = quiet(ctx);
  const OwnedTensor normed_nC = run_without_saving(without, batch);
  in_unit(without, head_unit(config_.layers), Uses::kValues, [&] {
    head_->evaluate(without, loss, normed_nC, batch.targets);
  });
}

void Decoder::logits(nn::Context& ctx,
                     Tensor logits,
                     const Batch& batch) const {
  nn::Context without = quiet(ctx);
  const OwnedTensor normed_nC = run_without_saving(without, batch);
  in_unit(without, head_unit(config_.layers), Uses::kValues, [&] {
    head_->logits(without, logits, normed_nC);
  });
}

Shape Decoder::cache_shape(std::int64_t samples, std::int64_t positions) const {
  return {2 * config_.layers * samples,
          std::max<std::int64_t>(config_.kv_heads / part_.count, 1),
          positions,
          config_.head_dim()};
}

Decoder::Cache Decoder::make_cache(Tensor memory) const {
  const auto [rows, G, S, D] = memory.dims<4>("memory");
  const std::int64_t B = rows / (2 * config_.layers);
  memory.expect("memory", cache_shape(B, S));
  Cache cache{.blocks = {}, .samples = B};
  for (std::int64_t i = 0; i < config_.layers; ++i) {
    cache.blocks.push_back(
        {.k = memory.rows(2 * i * B, B), .v = memory.rows((2 * i + 1) * B, B)});
  }
  return cache;
}

Decoder::Cache Decoder::Cache::of_sample(std::int64_t b) const {
  Cache one{.blocks = {}, .samples = 1};
  for (const nn::Attention::Cache& block : blocks) {
    one.blocks.push_back({.k = block.k.rows(b, 1), .v = block.v.rows(b, 1)});
  }
  return one;
}

void Decoder::forward_cached(nn::Context& ctx,
                             Tensor logits,
                             ConstTensor ids,
                             ConstTensor positions,
                             ConstTensor lengths,
                             const Cache& cache) const {
  const std::int64_t N = ids.elements();
  const OwnedTensor x_nC = ctx.workspace({N, config_.hidden});
  nn::Embedding::Saved unused;
  in_unit(ctx, kEmbeddingUnit, Uses::kValues, [&] {
    embedding_->forward(ctx, x_nC, ids, positions, cache.samples, unused);
  });
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    in_unit(ctx, unit_of_block(i), Uses::kValues, [&] {
      blocks_[i].forward_cached(
          ctx, x_nC, x_nC, positions, lengths, cache.blocks[i]);
    });
  }
  const std::int64_t T = N / cache.samples;
  const OwnedTensor last_BC = ctx.workspace({cache.samples, config_.hidden});
  launch(ctx.stream, kernels::EveryNthRow{.y = last_BC, .x = x_nC, .n = T});
  nn::Norm::Saved norm;
  in_unit(ctx, norm_unit(config_.layers), Uses::kValues, [&] {
    final_norm_->forward(ctx, last_BC, last_BC, norm);
  });
  in_unit(ctx, head_unit(config_.layers), Uses::kValues, [&] {
    head_->logits(ctx, logits, last_BC);
  });
}

}  // namespace dure::model
