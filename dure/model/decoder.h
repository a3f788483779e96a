// A decoder-only language model: embedding, blocks, final norm, head and loss.
//
// Shapes: B samples of S tokens are N = B S rows, of which a residual stream
// has n on this tensor rank (parallel/tensor/tensor_axis.h); C is the hidden
// size, V the vocabulary, Vp the padded one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "dure/model/block.h"
#include "dure/model/config.h"
#include "dure/model/kept_block.h"
#include "dure/nn/embedding.h"
#include "dure/nn/head_loss.h"

namespace dure::model {

struct Batch {
  ConstTensor ids;           // (N) i32
  ConstTensor targets;       // (N) i32; kernels::kIgnore where none is wanted
  ConstTensor positions;     // (N) i32
  std::int64_t samples = 0;  // B
};

class Decoder {
 public:
  // What a training forward leaves for its backward. Reusable.
  struct Saved {
    explicit Saved(const Keeping& of_blocks = {}) : keeping(of_blocks) {}

    Keeping keeping;  // of the blocks
    nn::Embedding::Saved embedding;
    std::vector<std::unique_ptr<KeptBlock>> blocks;
    OwnedTensor output_nC;  // of the last block
    nn::Norm::Saved final_norm;
    OwnedTensor normed_nC;
    nn::HeadLoss::Saved head;
  };

  // Keys and values of what has been read so far, for generation: views.
  struct Cache {
    std::vector<nn::Attention::Cache> blocks;
    std::int64_t samples = 0;  // B

    // That of one sample.
    Cache of_sample(std::int64_t b) const;
  };

  // `config` must be resolved. Adds the model's weights, this part of them
  // along the tensor axis, to `parameters`, which must outlive it; values are
  // allocated and filled by the caller.
  Decoder(const ModelConfig& config,
          std::uint64_t seed,
          nn::ParameterSet& parameters,
          mesh::Part part);

  // A training pass: loss (N) overwritten, one a row; d_loss is the derivative
  // of what is minimised by each of them, such as 1 / N.
  void forward(nn::Context& ctx,
               Tensor loss,
               const Batch& batch,
               float d_loss,
               Saved& saved) const;

  // Adds to, or overwrites, every parameter's gradient (Parameter::take_write).
  // The head's is made by the forward already (nn/head_loss.h).
  void backward(nn::Context& ctx, const Batch& batch, Saved& saved) const;

  // A training pass whose loss is taken elsewhere: forward_logits() overwrites
  // the logits (N, Vp), backward_logits() does all of the backward, given their
  // gradient. batch.targets is not read. To the bit what forward() and
  // backward() come to. The head's weights are used a second time, which a home
  // that gathers them ahead (ZeRO 3) does not expect.
  void forward_logits(nn::Context& ctx,
                      Tensor logits,
                      const Batch& batch,
                      Saved& saved) const;
  void backward_logits(nn::Context& ctx,
                       ConstTensor d_logits,
                       const Batch& batch,
                       Saved& saved) const;

  // The loss alone: without dropout, and nothing is kept.
  void evaluate(nn::Context& ctx, Tensor loss, const Batch& batch) const;

  // The logits (N, Vp) of every row, likewise; batch.targets is not read.
  void logits(nn::Context& ctx, Tensor logits, const Batch& batch) const;

  // Room for so many positions of each of B samples, in `memory`, which must be
  // of cache_shape(): of this rank's key-value heads.
  Cache make_cache(Tensor memory) const;
  Shape cache_shape(std::int64_t samples, std::int64_t positions) const;

  // Reads the next T tokens of each of B samples, streams being whole
  // (ctx.tensor.rows): ids, positions (BT) i32;
  // lengths (B) i32, how many positions of each the cache holds. logits (B, Vp)
  // overwritten: those after the last of the T.
  void forward_cached(nn::Context& ctx,
                      Tensor logits,
                      ConstTensor ids,
                      ConstTensor positions,
                      ConstTensor lengths,
                      const Cache& cache) const;

  const ModelConfig& config() const { return config_; }
  std::int64_t padded_vocabulary() const;

 private:
  // function(), with the unit's weights in place.
  template <typename Function>
  void in_unit(nn::Context& ctx,
               int unit,
               nn::Uses uses,
               Function&& function) const {
    parameters_->in_unit(ctx, unit, uses, std::forward<Function>(function));
  }

  // From the embedding to the final norm, which leaves saved.normed_nC.
  void forward_normed(nn::Context& ctx, const Batch& batch, Saved& saved) const;
  void forward_blocks(nn::Context& ctx, const Batch& batch, Saved& saved) const;

  // d_nC: the gradient of the blocks' output, and then that of their input.
  void backward_blocks(nn::Context& ctx,
                       Tensor d_nC,
                       const Batch& batch,
                       Saved& saved) const;

  // The same, nothing kept.
  OwnedTensor run_without_saving(nn::Context& ctx, const Batch& batch) const;

  Shape stream_shape(const nn::Context& ctx, const Batch& batch) const {
    return {ctx.tensor.stream_rows(batch.ids.elements()), config_.hidden};
  }

  ModelConfig config_;
  mesh::Part part_;
  const nn::ParameterSet* parameters_;
  std::optional<nn::Embedding> embedding_;
  std::vector<Block> blocks_;
  std::optional<nn::Norm> final_norm_;
  std::optional<nn::HeadLoss> head_;
};

}  // namespace dure::model
