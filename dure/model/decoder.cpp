#include "dure/model/decoder.h"

#include <algorithm>
#include <utility>

#include "dure/kernels/transfer.h"
#include "dure/model/parts.h"
#include "dure/model/weights.h"

namespace dure::model {
namespace {

using nn::Uses;

Shape to_shape(const mesh::Dims& dims) {
  return dims.size() == 1 ? Shape{dims[0]} : Shape{dims[0], dims[1]};
}

// The same, of a pass that is not one of training.
nn::Context quiet(const nn::Context& ctx) {
  nn::Context result = ctx;
  result.phase = nn::Phase::kEvaluate;
  return result;
}

// The same, with gradients of weights put off into the queue.
nn::Context deferring(const nn::Context& ctx, nn::WeightQueue& queue) {
  nn::Context result = ctx;
  result.deferred = &queue;
  return result;
}

// The stretch that alone uses the weight; the number of stretches, where it is
// not one, or a rank elsewhere uses it too.
std::size_t group_of(const std::vector<int>& units,
                     std::span<const UnitRange> stretches) {
  for (std::size_t i = 0; i < stretches.size(); ++i) {
    if (std::all_of(units.begin(), units.end(), [&](int unit) {
          return stretches[i].has(unit);
        })) {
      return i;
    }
  }
  return stretches.size();
}

std::vector<int> units_here(const std::vector<int>& units,
                            std::span<const UnitRange> stretches) {
  std::vector<int> here;
  for (const int unit : units) {
    if (std::any_of(
            stretches.begin(), stretches.end(), [&](const UnitRange& stretch) {
              return stretch.has(unit);
            })) {
      here.push_back(unit);
    }
  }
  return here;
}

}  // namespace

// Those that there are in this version.
constexpr nn::ParameterTypes kTypes = {.value = DType::kF32,
                                       .gradient = DType::kF32};

void add_weights(const ModelConfig& config,
                 nn::ParameterSet& parameters,
                 std::int64_t parts,
                 std::span<const UnitRange> stretches) {
  for (const WeightSpec& spec : weights(config, parts)) {
    std::vector<int> units = units_here(spec.units, stretches);
    if (units.empty()) {
      continue;
    }
    nn::Parameter& added =
        parameters.add(spec.name,
                       to_shape(local_shape(spec.shape, spec.sharding, parts)),
                       kTypes,
                       spec.sharding,
                       spec.decay == Decay::kYes,
                       std::move(units));
    added.group = static_cast<int>(group_of(spec.units, stretches));
  }
}

Decoder::Decoder(const ModelConfig& config,
                 std::uint64_t seed,
                 nn::ParameterSet& parameters,
                 mesh::Part part,
                 UnitRange units)
    : config_(config), part_(part), units_(units), parameters_(&parameters) {
  const auto token = [&]() -> nn::Parameter& {
    return parameters["embedding.token.weight"];
  };
  if (units.has(kEmbeddingUnit)) {
    embedding_.emplace(token(),
                       config.position == Position::kLearned
                           ? &parameters["embedding.position.weight"]
                           : nullptr,
                       nn::Dropout(seed, "embedding", config.dropout.embedding),
                       part);
  }
  for (std::int64_t i = 0; i < config.layers; ++i) {
    if (units.has(block_unit(i))) {
      first_block_ = blocks_.empty() ? i : first_block_;
      blocks_.emplace_back(config, seed, i, parameters, part);
    }
  }
  if (units.has(norm_unit(config.layers))) {
    final_norm_.emplace(make_norm(config, parameters, "final_norm"));
  }
  if (units.has(head_unit(config.layers))) {
    head_.emplace(config.tie_embeddings ? token() : parameters["head.weight"],
                  config.vocabulary,
                  part);
  }
}

std::int64_t Decoder::padded_vocabulary() const {
  return model::padded_vocabulary(config_.vocabulary, part_.count);
}

int Decoder::unit_of_block(std::size_t i) const {
  return block_unit(first_block_ + static_cast<std::int64_t>(i));
}

OwnedTensor Decoder::enter(nn::Context& ctx,
                           OwnedTensor x_nC,
                           ConstTensor ids,
                           const nn::Sequences& sequences) const {
  if (embedding_) {
    x_nC =
        ctx.activation(stream_shape(ctx, ids.elements()), embedding_->dtype());
    in_unit(ctx, kEmbeddingUnit, Uses::kValues, [&] {
      embedding_->forward(ctx, x_nC, ids, sequences);
    });
  }
  return x_nC;
}

OwnedTensor Decoder::forward_normed(nn::Context& ctx,
                                    OwnedTensor x_nC,
                                    const Batch& batch,
                                    Saved& saved) const {
  while (saved.blocks.size() < blocks_.size()) {
    saved.blocks.push_back(make_kept_block(saved.keeping));
  }
  x_nC = enter(ctx, std::move(x_nC), batch.ids, batch.sequences);
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    OwnedTensor y_nC = ctx.activation(x_nC.shape(), x_nC.dtype());
    in_unit(ctx, unit_of_block(i), Uses::kValues, [&] {
      saved.blocks[i]->forward(
          ctx,
          blocks_[i],
          {.y = y_nC, .x = std::move(x_nC), .sequences = batch.sequences});
    });
    x_nC = std::move(y_nC);
  }
  if (!final_norm_) {
    return x_nC;
  }
  saved.output_nC = std::move(x_nC);
  saved.normed_nC =
      ctx.activation(saved.output_nC.shape(), saved.output_nC.dtype());
  in_unit(ctx, norm_unit(config_.layers), Uses::kValues, [&] {
    final_norm_->forward(
        ctx, saved.normed_nC, saved.output_nC, saved.final_norm);
  });
  return {};
}

OwnedTensor Decoder::forward(nn::Context& ctx,
                             OwnedTensor x_nC,
                             const Batch& batch,
                             Saved& saved) const {
  x_nC = forward_normed(ctx, std::move(x_nC), batch, saved);
  if (!head_) {
    return x_nC;
  }
  const nn::HeadLoss::Forward op = {.loss = batch.loss,
                                    .x = saved.normed_nC,
                                    .targets = batch.targets,
                                    .d_loss = batch.d_loss};
  if (saved.keeping.logits == Logits::kBlocks) {
    in_unit(ctx, head_unit(config_.layers), Uses::kBoth, [&] {
      head_->forward(ctx, op, saved.head);
    });
  } else {
    in_unit(ctx, head_unit(config_.layers), Uses::kValues, [&] {
      head_->forward_keeping(ctx, op, saved.head);
    });
  }
  return {};
}

void Decoder::backward_head(nn::Context& ctx, Saved& saved, Half half) const {
  const Logits logits = saved.keeping.logits;
  if (logits == Logits::kBlocks) {
    saved.normed_nC = OwnedTensor();
    return;
  }
  const bool defers = half == Half::kInput && logits == Logits::kDeferred;
  in_unit(ctx,
          head_unit(config_.layers),
          defers ? Uses::kValues : Uses::kBoth,
          [&] {
            nn::Context head_ctx =
                defers ? deferring(ctx, saved.deferred_head) : ctx;
            head_->backward_kept(
                head_ctx, std::move(saved.normed_nC), saved.head);
          });
}

OwnedTensor Decoder::backward_of(nn::Context& ctx,
                                 OwnedTensor d_nC,
                                 const Batch& batch,
                                 Saved& saved,
                                 Half half) const {
  if (final_norm_) {
    backward_head(ctx, saved, half);
    d_nC = std::move(saved.head.d_x);
    in_unit(ctx, norm_unit(config_.layers), Uses::kBoth, [&] {
      final_norm_->backward(ctx,
                            {.d_x = d_nC, .d_y = d_nC, .x = saved.output_nC},
                            saved.final_norm);
    });
    saved.final_norm = {};
    saved.output_nC = OwnedTensor();
  }
  if (!blocks_.empty()) {
    saved.blocks.back()->prepare(ctx);
  }
  for (std::size_t i = blocks_.size(); i-- > 0;) {
    if (i > 0) {
      saved.blocks[i - 1]->prepare(ctx);
    }
    in_unit(ctx, unit_of_block(i), Uses::kBoth, [&] {
      nn::Context block_ctx =
          half == Half::kInput ? deferring(ctx, saved.deferred[i]) : ctx;
      saved.blocks[i]->backward(block_ctx, blocks_[i], d_nC, batch.sequences);
    });
  }
  if (!embedding_) {
    return d_nC;
  }
  in_unit(ctx, kEmbeddingUnit, Uses::kGradients, [&] {
    embedding_->backward(ctx, d_nC, batch.ids, batch.sequences);
  });
  return {};
}

OwnedTensor Decoder::backward(nn::Context& ctx,
                              OwnedTensor d_nC,
                              const Batch& batch,
                              Saved& saved) const {
  return backward_of(ctx, std::move(d_nC), batch, saved, Half::kBoth);
}

OwnedTensor Decoder::backward_input(nn::Context& ctx,
                                    OwnedTensor d_nC,
                                    const Batch& batch,
                                    Saved& saved) const {
  saved.deferred.resize(blocks_.size());
  return backward_of(ctx, std::move(d_nC), batch, saved, Half::kInput);
}

void Decoder::backward_weights(nn::Context& ctx, Saved& saved) const {
  if (head_ && saved.keeping.logits == Logits::kDeferred) {
    in_unit(ctx, head_unit(config_.layers), Uses::kGradients, [&] {
      saved.deferred_head.run(ctx);
    });
  }
  for (std::size_t i = blocks_.size(); i-- > 0;) {
    in_unit(ctx, unit_of_block(i), Uses::kGradients, [&] {
      saved.deferred[i].run(ctx);
    });
  }
}

void Decoder::forward_logits(nn::Context& ctx,
                             Tensor logits,
                             const Batch& batch,
                             Saved& saved) const {
  forward_normed(ctx, {}, batch, saved);
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
  backward(ctx, batch, saved);  // of Logits::kBlocks: the rest
}

OwnedTensor Decoder::run_without_saving(nn::Context& ctx,
                                        OwnedTensor x_nC,
                                        const Batch& batch) const {
  x_nC = enter(ctx, std::move(x_nC), batch.ids, batch.sequences);
  OwnedTensor y_nC = ctx.activation(x_nC.shape(), x_nC.dtype());
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    Block::Saved saved;
    in_unit(ctx, unit_of_block(i), Uses::kValues, [&] {
      blocks_[i].forward(
          ctx, {.y = y_nC, .x = x_nC, .sequences = batch.sequences}, saved);
    });
    std::swap(x_nC, y_nC);
  }
  if (!final_norm_) {
    return x_nC;
  }
  nn::Norm::Saved norm;
  in_unit(ctx, norm_unit(config_.layers), Uses::kValues, [&] {
    final_norm_->forward(ctx, y_nC, x_nC, norm);
  });
  return y_nC;
}

OwnedTensor Decoder::evaluate(nn::Context& ctx,
                              OwnedTensor x_nC,
                              const Batch& batch) const {
  nn::Context without = quiet(ctx);
  x_nC = run_without_saving(without, std::move(x_nC), batch);
  if (!head_) {
    return x_nC;
  }
  in_unit(without, head_unit(config_.layers), Uses::kValues, [&] {
    head_->evaluate(without, batch.loss, x_nC, batch.targets);
  });
  return {};
}

OwnedTensor Decoder::logits(nn::Context& ctx,
                            OwnedTensor x_nC,
                            Tensor logits,
                            const Batch& batch) const {
  nn::Context without = quiet(ctx);
  x_nC = run_without_saving(without, std::move(x_nC), batch);
  if (!head_) {
    return x_nC;
  }
  in_unit(without, head_unit(config_.layers), Uses::kValues, [&] {
    head_->logits(without, logits, x_nC);
  });
  return {};
}

Shape Decoder::cache_shape(std::int64_t samples, std::int64_t positions) const {
  return {2 * std::ssize(blocks_) * samples,
          std::max<std::int64_t>(config_.kv_heads / part_.count, 1),
          positions,
          config_.head_dim()};
}

Decoder::Cache Decoder::make_cache(Tensor memory) const {
  const auto [rows, G, S, D] = memory.dims<4>("memory");
  const std::int64_t blocks = std::ssize(blocks_);
  const std::int64_t B = blocks > 0 ? rows / (2 * blocks) : 0;
  memory.expect("memory", cache_shape(B, S), memory.dtype());
  Cache cache{.blocks = {}, .samples = B};
  for (std::int64_t i = 0; i < blocks; ++i) {
    cache.blocks.push_back(
        {.k = memory.rows(2 * i * B, B), .v = memory.rows((2 * i + 1) * B, B)});
  }
  return cache;
}

Decoder::Cache Decoder::Cache::of_samples(std::int64_t first,
                                          std::int64_t count) const {
  Cache some{.blocks = {}, .samples = count};
  for (const nn::Attention::Cache& block : blocks) {
    some.blocks.push_back(
        {.k = block.k.rows(first, count), .v = block.v.rows(first, count)});
  }
  return some;
}

OwnedTensor Decoder::forward_cached(nn::Context& ctx,
                                    OwnedTensor x_nC,
                                    Tensor logits,
                                    const Reading& reading,
                                    const Cache& cache) const {
  const std::int64_t N = reading.ids.elements();
  const std::int64_t B = reading.lengths.elements();
  x_nC = enter(ctx, std::move(x_nC), reading.ids, reading.sequences);
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    in_unit(ctx, unit_of_block(i), Uses::kValues, [&] {
      blocks_[i].forward_cached(ctx,
                                {.y = x_nC,
                                 .x = x_nC,
                                 .sequences = reading.sequences,
                                 .lengths = reading.lengths,
                                 .cache = cache.blocks[i]});
    });
  }
  if (!head_) {
    return x_nC;
  }
  const OwnedTensor last_BC = ctx.workspace({B, config_.hidden}, x_nC.dtype());
  launch(ctx.stream, kernels::EveryNthRow{.y = last_BC, .x = x_nC, .n = N / B});
  nn::Norm::Saved norm;
  in_unit(ctx, norm_unit(config_.layers), Uses::kValues, [&] {
    final_norm_->forward(ctx, last_BC, last_BC, norm);
  });
  in_unit(ctx, head_unit(config_.layers), Uses::kValues, [&] {
    head_->logits(ctx, logits, last_BC);
  });
  return {};
}

void for_each_buffer(Decoder::Saved& saved, const nn::BufferVisitor& visit) {
  for (const std::unique_ptr<KeptBlock>& block : saved.blocks) {
    block->for_each_buffer(visit);
  }
  for (nn::WeightQueue& queue : saved.deferred) {
    queue.for_each_buffer(visit);
  }
  saved.deferred_head.for_each_buffer(visit);
  nn::visit_buffers({&saved.output_nC, &saved.normed_nC}, visit);
  for_each_buffer(saved.final_norm, visit);
  for_each_buffer(saved.head, visit);
}

}  // namespace dure::model
