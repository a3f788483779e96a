#include "dure/model/transformer_units.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "dure/kernels/transfer.h"
#include "dure/model/block.h"
#include "dure/model/layer_factories.h"
#include "dure/model/saved_block.h"
#include "dure/nn/embedding.h"
#include "dure/nn/head_loss.h"

namespace dure::model {
namespace {

using nn::Access;
using nn::Context;

constexpr StreamName kResidual = StreamName::kResidual;

class NothingSaved final : public UnitSaved {
 public:
  void for_each_buffer(const nn::BufferVisitor& /*visit*/) override {}
};

class EmbeddingUnit final : public Unit {
 public:
  explicit EmbeddingUnit(const UnitParts& parts)
      : hidden_(parts.config.hidden),
        residual_(parts.types.residual),
        embedding_(parts.parameters["embedding.token.weight"],
                   has_position_table(parts.config)
                       ? &parts.parameters["embedding.position.weight"]
                       : nullptr,
                   nn::Dropout(
                       parts.seed, "embedding", parts.config.dropout.embedding),
                   parts.tensor()) {}

  std::unique_ptr<UnitSaved> make_saved() const override {
    return std::make_unique<NothingSaved>();
  }

  void forward(Context& ctx,
               Streams& streams,
               const Batch& batch,
               UnitSaved& /*saved*/) const override {
    embed(ctx, streams, batch.ids, batch.sequences);
  }

  void backward(Context& ctx,
                Streams& gradients,
                const Batch& batch,
                UnitSaved& /*saved*/) const override {
    embedding_.backward(ctx, gradients[kResidual], batch.ids, batch.sequences);
    gradients[kResidual] = OwnedTensor();
  }

  void run(Context& ctx, Streams& streams, const Batch& batch) const override {
    embed(ctx, streams, batch.ids, batch.sequences);
  }

  void read(Context& ctx,
            Streams& streams,
            const DecodeBatch& batch,
            const Cache& /*cache*/) const override {
    embed(ctx, streams, batch.ids, batch.sequences);
  }

 private:
  void embed(Context& ctx,
             Streams& streams,
             ConstTensor ids,
             const nn::Sequences& sequences) const {
    const Shape shape = {ctx.tensor.stream_rows(ids.elements()), hidden_};
    streams[kResidual] = ctx.activation(shape, residual_);
    embedding_.forward(ctx, streams[kResidual], ids, sequences);
  }

  std::int64_t hidden_;
  DType residual_;
  nn::Embedding embedding_;
};

class BlockUnit final : public Unit {
 public:
  BlockUnit(const UnitParts& parts,
            std::int64_t index,
            const ActivationPolicy& activation_policy)
      : block_(parts, index),
        activation_policy_(activation_policy),
        kv_heads_(std::max<std::int64_t>(
            parts.config.kv_heads / parts.tensor().count, 1)),
        head_dim_(parts.config.head_dim()) {}

  std::unique_ptr<UnitSaved> make_saved() const override {
    return make_saved_block(activation_policy_);
  }

  void forward(Context& ctx,
               Streams& streams,
               const Batch& batch,
               UnitSaved& saved) const override {
    OwnedTensor x_nC = std::move(streams[kResidual]);
    streams[kResidual] = ctx.activation(x_nC.shape(), x_nC.dtype());
    static_cast<SavedBlock&>(saved).forward(ctx,
                                            block_,
                                            {.y = streams[kResidual],
                                             .x = std::move(x_nC),
                                             .sequences = batch.sequences});
  }

  void backward(Context& ctx,
                Streams& gradients,
                const Batch& batch,
                UnitSaved& saved) const override {
    static_cast<SavedBlock&>(saved).backward(
        ctx, block_, gradients[kResidual], batch.sequences);
  }

  void run(Context& ctx, Streams& streams, const Batch& batch) const override {
    const OwnedTensor x_nC = std::move(streams[kResidual]);
    streams[kResidual] = ctx.activation(x_nC.shape(), x_nC.dtype());
    Block::Saved saved;
    block_.forward(
        ctx,
        {.y = streams[kResidual], .x = x_nC, .sequences = batch.sequences},
        saved);
  }

  void read(Context& ctx,
            Streams& streams,
            const DecodeBatch& batch,
            const Cache& cache) const override {
    block_.forward_cached(ctx,
                          {.y = streams[kResidual],
                           .x = streams[kResidual],
                           .sequences = batch.sequences,
                           .lengths = batch.lengths,
                           .cache = cache});
  }

  std::optional<Shape> cache_shape(std::int64_t texts,
                                   std::int64_t positions) const override {
    return Shape{2 * texts, kv_heads_, positions, head_dim_};
  }

 private:
  Block block_;
  ActivationPolicy activation_policy_;
  std::int64_t kv_heads_;  // of this part
  std::int64_t head_dim_;
};

class FinalNormUnit final : public Unit {
 public:
  explicit FinalNormUnit(const UnitParts& parts)
      : norm_(make_norm(parts.config, parts.parameters, "final_norm")) {}

  std::unique_ptr<UnitSaved> make_saved() const override {
    return std::make_unique<Saved>();
  }

  void forward(Context& ctx,
               Streams& streams,
               const Batch& /*batch*/,
               UnitSaved& saved) const override {
    auto& own = static_cast<Saved&>(saved);
    own.x_nC = std::move(streams[kResidual]);
    streams[kResidual] = ctx.activation(own.x_nC.shape(), norm_.dtype());
    norm_.forward(ctx, streams[kResidual], own.x_nC, own.norm);
  }

  void backward(Context& ctx,
                Streams& gradients,
                const Batch& /*batch*/,
                UnitSaved& saved) const override {
    auto& own = static_cast<Saved&>(saved);
    OwnedTensor d_nC = std::move(gradients[kResidual]);
    OwnedTensor other;
    if (d_nC.dtype() != own.x_nC.dtype()) {
      other = ctx.activation(own.x_nC.shape(), own.x_nC.dtype());
    }
    const Tensor d_x = other ? other : d_nC;
    norm_.backward(ctx, {.d_x = d_x, .d_y = d_nC, .x = own.x_nC}, own.norm);
    gradients[kResidual] = other ? std::move(other) : std::move(d_nC);
    own.norm = {};
    own.x_nC = OwnedTensor();
  }

  void run(Context& ctx,
           Streams& streams,
           const Batch& /*batch*/) const override {
    const OwnedTensor x_nC = std::move(streams[kResidual]);
    streams[kResidual] = ctx.activation(x_nC.shape(), norm_.dtype());
    nn::Norm::Saved norm;
    norm_.forward(ctx, streams[kResidual], x_nC, norm);
  }

  void read(Context& ctx,
            Streams& streams,
            const DecodeBatch& batch,
            const Cache& /*cache*/) const override {
    const OwnedTensor x_NC = std::move(streams[kResidual]);
    const auto [N, C] = x_NC.dims<2>("x");
    const std::int64_t B = batch.lengths.elements();
    const OwnedTensor last_BC = ctx.workspace({B, C}, x_NC.dtype());
    launch(ctx.stream,
           kernels::EveryNthRow{.y = last_BC, .x = x_NC, .n = N / B});
    streams[kResidual] = ctx.workspace({B, C}, norm_.dtype());
    nn::Norm::Saved norm;
    norm_.forward(ctx, streams[kResidual], last_BC, norm);
  }

 private:
  struct Saved final : public UnitSaved {
    void for_each_buffer(const nn::BufferVisitor& visit) override {
      nn::visit_buffers({&x_nC}, visit);
      nn::for_each_buffer(norm, visit);
    }
    OwnedTensor x_nC;
    nn::Norm::Saved norm;
  };

  nn::Norm norm_;
};

class HeadUnit final : public Unit {
 public:
  HeadUnit(const UnitParts& parts, Logits logits)
      : head_(parts.parameters[parts.config.tie_embeddings
                                   ? "embedding.token.weight"
                                   : "head.weight"],
              parts.config.vocabulary,
              parts.tensor()),
        logits_(logits) {}

  std::unique_ptr<UnitSaved> make_saved() const override {
    return std::make_unique<Saved>();
  }

  void forward(Context& ctx,
               Streams& streams,
               const Batch& batch,
               UnitSaved& saved) const override {
    auto& own = static_cast<Saved&>(saved);
    own.x_nC = std::move(streams[kResidual]);
    const nn::HeadLoss::Forward op = {.loss = batch.loss,
                                      .x = own.x_nC,
                                      .targets = batch.targets,
                                      .weights = batch.weights,
                                      .d_loss = batch.d_loss};
    switch (logits_) {
      case Logits::kBlocks:
        return head_.forward(ctx, op, own.head);
      case Logits::kSaved:
      case Logits::kDeferred:
        return head_.forward_keeping(ctx, op, own.head);
      case Logits::kGiven:
        return head_.logits(ctx, batch.logits, own.x_nC);
    }
  }

  void backward(Context& ctx,
                Streams& gradients,
                const Batch& batch,
                UnitSaved& saved) const override {
    auto& own = static_cast<Saved&>(saved);
    switch (logits_) {
      case Logits::kBlocks:
        break;  // the forward has made them
      case Logits::kSaved:
      case Logits::kDeferred:
        head_.backward_kept(ctx, std::move(own.x_nC), own.head);
        break;
      case Logits::kGiven:
        head_.backward_logits(ctx, batch.d_logits, own.x_nC, own.head);
        break;
    }
    own.x_nC = OwnedTensor();
    gradients[kResidual] = std::move(own.head.d_x);
  }

  void run(Context& ctx, Streams& streams, const Batch& batch) const override {
    const OwnedTensor x_nC = std::move(streams[kResidual]);
    if (batch.logits) {
      head_.logits(ctx, batch.logits, x_nC);
    } else {
      head_.evaluate(ctx,
                     {.loss = batch.loss,
                      .x = x_nC,
                      .targets = batch.targets,
                      .weights = batch.weights});
    }
  }

  void read(Context& ctx,
            Streams& streams,
            const DecodeBatch& batch,
            const Cache& /*cache*/) const override {
    const OwnedTensor x_BC = std::move(streams[kResidual]);
    head_.logits(ctx, batch.logits, x_BC);
  }

 private:
  struct Saved final : public UnitSaved {
    void for_each_buffer(const nn::BufferVisitor& visit) override {
      nn::visit_buffers({&x_nC}, visit);
      nn::for_each_buffer(head, visit);
    }
    OwnedTensor x_nC;
    nn::HeadLoss::Saved head;
  };

  nn::HeadLoss head_;
  Logits logits_;
};

Accesses head_accesses(Logits logits) {
  switch (logits) {
    case Logits::kBlocks:
      return {.forward = Access::kBoth};
    case Logits::kDeferred:
      return {.forward = Access::kParameters,
              .backward = Access::kBoth,
              .input = Access::kParameters,
              .weight = Access::kGradients};
    case Logits::kSaved:
    case Logits::kGiven:
      break;
  }
  return {.forward = Access::kParameters,
          .backward = Access::kBoth,
          .input = Access::kBoth};
}

}  // namespace

UnitSpec embedding_unit() {
  return {.layer = "embedding",
          .accesses = {.forward = Access::kParameters,
                       .backward = Access::kGradients,
                       .input = Access::kGradients},
          .reads_tokens = true,
          .hands_on = {kResidual},
          .make = [](const UnitParts& parts) {
            return std::make_unique<EmbeddingUnit>(parts);
          }};
}

UnitSpec block_unit(std::int64_t index,
                    const ActivationPolicy& activation_policy) {
  return {.layer = "block",
          .accesses = {.forward = Access::kParameters,
                       .backward = Access::kBoth,
                       .input = Access::kBoth,
                       .weight = Access::kGradients},
          .hands_on = {kResidual},
          .make = [index, activation_policy](const UnitParts& parts) {
            return std::make_unique<BlockUnit>(parts, index, activation_policy);
          }};
}

UnitSpec final_norm_unit() {
  return {.layer = "head",
          .accesses = {.forward = Access::kParameters,
                       .backward = Access::kBoth,
                       .input = Access::kBoth},
          .hands_on = {kResidual},
          .make = [](const UnitParts& parts) {
            return std::make_unique<FinalNormUnit>(parts);
          }};
}

UnitSpec head_unit(Logits logits) {
  return {.accesses = head_accesses(logits),
          .reads_tokens = true,
          .makes_loss = true,
          .make = [logits](const UnitParts& parts) {
            return std::make_unique<HeadUnit>(parts, logits);
          }};
}

}  // namespace dure::model
