// A rank's stage of a model in generation, for the pipeline's executor.
#pragma once

#include <cstdint>
#include <vector>

#include "dure/parallel/pipeline/stage_module.h"
#include "dure/train/rank_model.h"

namespace dure::train {

using Tokens = std::vector<std::int32_t>;

// Whether keys and values are cached, or all tokens are read again for every
// new one, which is slow and for comparison only.
enum class KvCache : std::uint8_t { kOn, kOff };

// The next T tokens of some neighbours among B texts: a micro-batch.
struct DecodeMicroBatch {
  std::int64_t first = 0;  // the first text
  Tokens ids;              // T for each text
  Tokens lengths;          // tokens read before, for each text

  std::int64_t count() const { return std::ssize(lengths); }
};

class DecodeStages final : public parallel::StageModule {
 public:
  struct Sizes {
    std::int64_t texts = 0;      // B
    std::int64_t positions = 0;  // the cache's room for each text
  };

  // References outlive this.
  DecodeStages(Rank& rank,
               const RankModel& rank_model,
               KvCache cache,
               Sizes sizes);

  // Sets the micro-batches of the next program. Without the cache, each has all
  // of one text.
  void begin(std::vector<DecodeMicroBatch> micro_batches) {
    micro_batches_ = std::move(micro_batches);
  }

  // (B, Vp): each text's logits after its last token. The rank with the head
  // writes them.
  Tensor logits() const { return logits_; }

  using Streams = parallel::Streams;
  std::int64_t rows(int micro_batch,
                    parallel::StreamName stream) const override;
  Streams forward(int chunk, int micro_batch, Streams x) override;

 private:
  const model::Stack& stack() const { return rank_model_.chunks()[0]; }
  OwnedTensor upload(const Tokens& values);
  Streams read(const DecodeMicroBatch& micro_batch, Streams x);
  Streams read_everything(const DecodeMicroBatch& micro_batch, Streams x);

  Rank& rank_;
  const RankModel& rank_model_;
  KvCache cache_;
  OwnedTensor memory_;
  model::Stack::Cache kept_;
  OwnedTensor logits_;
  nn::Context ctx_;
  std::vector<DecodeMicroBatch> micro_batches_;
};

}  // namespace dure::train
