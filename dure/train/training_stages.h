// A rank's chunks in training, for the pipeline's executor.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "dure/config/config.h"
#include "dure/data/batch_position.h"
#include "dure/data/dataset.h"
#include "dure/parallel/pipeline/stage_module.h"
#include "dure/train/micro_batch.h"
#include "dure/train/rank_model.h"

namespace dure::train {

class TrainingStages final : public parallel::StageModule {
 public:
  using Streams = parallel::Streams;

  // References outlive this. `config` is the trainer's.
  TrainingStages(Rank& rank, RankModel& rank_model, const Config& config);

  // The inputs of a step, which begins after so many samples of the data. The
  // sum of the tokens' losses is minimised, times `loss_weight` and the loss
  // scale. Micro-batches may continue into the global batches that follow.
  struct Batch {
    const data::Dataset* dataset = nullptr;
    data::BatchLayout layout;
    std::int64_t consumed = 0;
    float loss_weight = 0;
    ConstTensor loss_scale;  // (1)   f32
    // (steps, kSumDigits) i64: to each step's row the losses of this rank's
    // head, up to that step's update, are added.
    Tensor losses;
    // Updates the weights, if the program has updates.
    std::function<void(int micro_batch)> update = {};
  };
  void begin(Batch batch);

  std::int64_t rows(int micro_batch,
                    parallel::StreamName stream) const override;
  Streams forward(int chunk, int micro_batch, Streams x) override;
  Streams backward(int chunk, int micro_batch, Streams d_y) override;
  Streams backward_input(int chunk, int micro_batch, Streams d_y) override;
  void backward_weights(int chunk, int micro_batch) override;
  void update(int micro_batch) override;

 private:
  // A micro-batch in flight in a chunk: from its forward to the end of its
  // backward.
  struct Slot {
    Slot(Rank& rank, const Config& config)
        : inputs(rank, config.train.micro_batch, config.data.sequence) {}
    MicroBatch inputs;
    model::Stack::Saved saved;
  };
  struct InFlight {
    int chunk = 0;
    int micro_batch = 0;
    std::unique_ptr<Slot> slot;
  };

  const model::Stack& stack(int chunk) const {
    return rank_model_.chunks()[chunk];
  }
  nn::Context context(int micro_batch);
  std::int64_t first_sample(int micro_batch) const {
    return batch_.layout.sample(batch_.consumed, micro_batch, 0);
  }
  Slot& acquire(int chunk, int micro_batch);
  std::vector<InFlight>::iterator find(int chunk, int micro_batch);
  Slot& slot_of(int chunk, int micro_batch);
  void release(int chunk, int micro_batch);

  Rank& rank_;
  RankModel& rank_model_;
  Config config_;
  Batch batch_;
  OwnedTensor d_loss_;        // (1)
  std::int64_t updates_ = 0;  // of the program so far
  std::vector<InFlight> in_flight_;
  std::vector<std::unique_ptr<Slot>> free_;  // to be used again
};

}  // namespace dure::train
