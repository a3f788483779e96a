// A rank's chunks in training: what its pipeline's program asks of them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "dure/base/exact_sum.h"
#include "dure/data/dataset.h"
#include "dure/parallel/pipeline/stage_work.h"
#include "dure/train/config.h"
#include "dure/train/micro_batch.h"
#include "dure/train/replica.h"

namespace dure::train {

class TrainingStages final : public parallel::StageWork {
 public:
  // References outlive this. `config` as the trainer's.
  TrainingStages(Rank& rank, Replica& replica, const Config& config);

  // What a step reads: the first sample of each of its micro-batches on this
  // rank, and the derivative of what is minimised by a token's loss.
  struct Batch {
    const data::Dataset* dataset = nullptr;
    std::function<std::int64_t(int micro_batch)> first_sample;
    float d_loss = 0;
    // What updates the weights, where the program does.
    std::function<void(int micro_batch)> update = {};
  };
  void begin(Batch batch);

  // Of the tokens that this rank's head has seen since begin(), or the last
  // update.
  const ExactSum& loss_sum() const { return loss_sum_; }

  std::int64_t rows(int micro_batch) const override;
  OwnedTensor forward(int chunk, int micro_batch, OwnedTensor x) override;
  OwnedTensor backward(int chunk, int micro_batch, OwnedTensor d_y) override;
  OwnedTensor backward_input(int chunk,
                             int micro_batch,
                             OwnedTensor d_y) override;
  void backward_weights(int chunk, int micro_batch) override;
  void update(int micro_batch) override;

 private:
  // A micro-batch in a chunk, from its forward to the end of its backward.
  struct Flight {
    Flight(Rank& rank, const Config& config)
        : inputs(rank, config.train.micro_batch, config.data.sequence),
          saved(keeping(config)) {}
    MicroBatch inputs;
    model::Decoder::Saved saved;
  };
  using Key = std::pair<int, int>;  // chunk, micro-batch

  const model::Decoder& decoder(int chunk) const {
    return replica_.chunks()[static_cast<std::size_t>(chunk)];
  }
  nn::Context context(int micro_batch);
  Flight& take_off(int chunk, int micro_batch);
  Flight& in_flight(int chunk, int micro_batch);
  void land(int chunk, int micro_batch);

  Rank& rank_;
  Replica& replica_;
  Config config_;
  Batch batch_;
  ExactSum loss_sum_;
  std::map<Key, std::unique_ptr<Flight>> flying_;
  std::vector<std::unique_ptr<Flight>> landed_;  // to be used again
};

}  // namespace dure::train
