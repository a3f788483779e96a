// A decoder-only language model: embedding, blocks, final norm, head and loss.
//
// Shapes: B samples of S tokens are N = B S rows, of which a residual stream
// has n on this tensor rank (parallel/tensor/tensor_axis.h); C is the hidden
// size, V the vocabulary, Vp the padded one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "dure/model/block.h"
#include "dure/model/config.h"
#include "dure/model/kept_block.h"
#include "dure/model/weights.h"
#include "dure/nn/embedding.h"
#include "dure/nn/head_loss.h"
#include "dure/nn/weight_queue.h"

namespace dure::model {

struct Batch {
  ConstTensor ids;      // (N) i32
  ConstTensor targets;  // (N) i32; kernels::kIgnore where none is wanted
  nn::Sequences sequences;
  // With the head, of a pass that takes the loss. The derivative of what is
  // minimised by each row's loss is such as 1 / N.
  Tensor loss = {};         // (N)   overwritten, one a row
  ConstTensor d_loss = {};  // (1)   not read in evaluation
};

// Adds the weights that these stretches of the model use, this part of them
// along the tensor axis, to `parameters`; values are allocated and filled by
// the caller. Those of different stretches, and one that is used by several or
// by another rank's as well (a tied embedding), are in different groups
// (nn::Parameter::group).
void add_weights(const ModelConfig& config,
                 nn::ParameterSet& parameters,
                 std::int64_t parts,
                 std::span<const UnitRange> stretches);

// A stretch of the model: all of it, or a stage of a pipeline. It takes the
// residual stream from the stretch before it, unless it has the embedding, and
// hands it on to the next one, unless it has the head; what is not handed over
// is an empty tensor.
class Decoder {
 public:
  // What a training forward leaves for its backward, which is handed the same
  // batch. Reusable.
  struct Saved {
    explicit Saved(const Keeping& what = {}) : keeping(what) {}

    Keeping keeping;
    std::vector<std::unique_ptr<KeptBlock>> blocks;
    std::vector<nn::WeightQueue> deferred;  // by block
    nn::WeightQueue deferred_head;
    OwnedTensor output_nC;  // of the last block
    nn::Norm::Saved final_norm;
    OwnedTensor normed_nC;
    nn::HeadLoss::Saved head;
  };

  // Keys and values of what has been read so far, for generation: views.
  struct Cache {
    std::vector<nn::Attention::Cache> blocks;
    std::int64_t samples = 0;  // B

    // That of some neighbours among the samples.
    Cache of_samples(std::int64_t first, std::int64_t count) const;
  };

  // `config` must be resolved; `parameters` have the stretch's weights and
  // outlive it.
  Decoder(const ModelConfig& config,
          std::uint64_t seed,
          nn::ParameterSet& parameters,
          mesh::Part part,
          UnitRange units);

  // A training pass. With the head, the losses are overwritten, and with
  // Logits::kBlocks the gradients of the head are made already.
  OwnedTensor forward(nn::Context& ctx,
                      OwnedTensor x_nC,
                      const Batch& batch,
                      Saved& saved) const;

  // Adds to, or overwrites, every parameter's gradient (Parameter::take_write).
  // d_nC: of what was handed on; returned: of what was taken.
  OwnedTensor backward(nn::Context& ctx,
                       OwnedTensor d_nC,
                       const Batch& batch,
                       Saved& saved) const;

  // The same in two halves: what the stretch before this one waits for, and
  // what is left (nn/weight_queue.h).
  OwnedTensor backward_input(nn::Context& ctx,
                             OwnedTensor d_nC,
                             const Batch& batch,
                             Saved& saved) const;
  void backward_weights(nn::Context& ctx, Saved& saved) const;

  // Of a whole model.
  void forward(nn::Context& ctx, const Batch& batch, Saved& saved) const {
    forward(ctx, {}, batch, saved);
  }
  void backward(nn::Context& ctx, const Batch& batch, Saved& saved) const {
    backward(ctx, {}, batch, saved);
  }

  // A training pass of a whole model whose loss is taken elsewhere:
  // forward_logits() overwrites the logits (N, Vp), backward_logits() does all
  // of the backward, given their gradient. batch.targets is not read. To the
  // bit what forward() and backward() come to. The head's weights are used a
  // second time, which a home that gathers them ahead (ZeRO 3) does not expect.
  void forward_logits(nn::Context& ctx,
                      Tensor logits,
                      const Batch& batch,
                      Saved& saved) const;
  void backward_logits(nn::Context& ctx,
                       ConstTensor d_logits,
                       const Batch& batch,
                       Saved& saved) const;

  // With the head, the loss alone: without dropout, and nothing is kept.
  OwnedTensor evaluate(nn::Context& ctx,
                       OwnedTensor x_nC,
                       const Batch& batch) const;

  // With the head, the logits (N, Vp) of every row, likewise; batch.targets is
  // not read.
  OwnedTensor logits(nn::Context& ctx,
                     OwnedTensor x_nC,
                     Tensor logits,
                     const Batch& batch) const;

  // Room for so many positions of each of B samples, in `memory`, which must be
  // of cache_shape(): of this stretch's blocks and this rank's key-value heads.
  Cache make_cache(Tensor memory) const;
  Shape cache_shape(std::int64_t samples, std::int64_t positions) const;

  // The next T tokens of each of B samples.
  struct Reading {
    ConstTensor ids;  // (B T) i32
    nn::Sequences sequences;
    ConstTensor lengths;  // (B) i32, positions of each that the cache holds
  };
  // Reads them, streams being whole (ctx.tensor.rows). With the head, logits
  // (B, Vp) overwritten: those after the last of the T.
  OwnedTensor forward_cached(nn::Context& ctx,
                             OwnedTensor x_nC,
                             Tensor logits,
                             const Reading& reading,
                             const Cache& cache) const;

  const ModelConfig& config() const { return config_; }
  UnitRange units() const { return units_; }
  bool has_embedding() const { return embedding_.has_value(); }
  bool has_head() const { return head_.has_value(); }
  std::int64_t padded_vocabulary() const;

  // Of the stream that goes on from so many rows.
  Shape stream_shape(const nn::Context& ctx, std::int64_t rows) const {
    return {ctx.tensor.stream_rows(rows), config_.hidden};
  }

 private:
  // function(), with the unit's weights in place.
  template <typename Function>
  void in_unit(nn::Context& ctx,
               int unit,
               nn::Uses uses,
               Function&& function) const {
    parameters_->in_unit(ctx, unit, uses, std::forward<Function>(function));
  }

  int unit_of_block(std::size_t i) const;

  // The stream as the first block here takes it: what came, or embedded.
  OwnedTensor enter(nn::Context& ctx,
                    OwnedTensor x_nC,
                    ConstTensor ids,
                    const nn::Sequences& sequences) const;

  // From the first unit here to the final norm, where it is here: that leaves
  // saved.normed_nC. Elsewhere the stream is returned.
  OwnedTensor forward_normed(nn::Context& ctx,
                             OwnedTensor x_nC,
                             const Batch& batch,
                             Saved& saved) const;

  // With gradients of weights put off into queues of `saved`, or not.
  enum class Half : std::uint8_t { kBoth, kInput };
  OwnedTensor backward_of(nn::Context& ctx,
                          OwnedTensor d_nC,
                          const Batch& batch,
                          Saved& saved,
                          Half half) const;

  // What the head's forward left to do.
  void backward_head(nn::Context& ctx, Saved& saved, Half half) const;

  // The forward, nothing kept: the stream, normed where the norm is here.
  OwnedTensor run_without_saving(nn::Context& ctx,
                                 OwnedTensor x_nC,
                                 const Batch& batch) const;

  ModelConfig config_;
  mesh::Part part_;
  UnitRange units_;
  const nn::ParameterSet* parameters_;
  std::optional<nn::Embedding> embedding_;
  std::int64_t first_block_ = 0;
  std::vector<Block> blocks_;
  std::optional<nn::Norm> final_norm_;
  std::optional<nn::HeadLoss> head_;
};

// Between passes.
void for_each_buffer(Decoder::Saved& saved, const nn::BufferVisitor& visit);

}  // namespace dure::model
