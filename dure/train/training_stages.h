// A rank's chunks in training: what its pipeline's program asks of them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "dure/data/batch_position.h"
#include "dure/data/dataset.h"
#include "dure/parallel/pipeline/stage_work.h"
#include "dure/train/config.h"
#include "dure/train/micro_batch.h"
#include "dure/train/replica.h"

namespace dure::train {

class TrainingStages final : public parallel::StageWork {
 public:
  using Streams = parallel::Streams;

  // References outlive this. `config` as the trainer's.
  TrainingStages(Rank& rank, Replica& replica, const Config& config);

  // What a step reads, after so many samples of the data, and the derivative of
  // what is minimised by a token's loss. Micro-batches may go on into the
  // global batches that follow.
  struct Batch {
    const data::Dataset* dataset = nullptr;
    data::BatchLayout layout;
    std::int64_t consumed = 0;
    float d_loss = 0;
    // (steps, kSumDigits) i64: gets the sum of the losses that this rank's head
    // sees up to each update, added to what is there.
    Tensor losses;
    // What updates the weights, where the program does.
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
  // A micro-batch in a chunk, from its forward to the end of its backward.
  struct Flight {
    Flight(Rank& rank, const Config& config)
        : inputs(rank, config.train.micro_batch, config.data.sequence) {}
    MicroBatch inputs;
    model::Stack::Saved saved;
  };
  struct Flying {
    int chunk = 0;
    int micro_batch = 0;
    std::unique_ptr<Flight> flight;
  };

  const model::Stack& stack(int chunk) const {
    return replica_.chunks()[chunk];
  }
  nn::Context context(int micro_batch);
  std::int64_t first_sample(int micro_batch) const {
    return batch_.layout.sample(batch_.consumed, micro_batch, 0);
  }
  Flight& take_off(int chunk, int micro_batch);
  std::vector<Flying>::iterator find(int chunk, int micro_batch);
  Flight& in_flight(int chunk, int micro_batch);
  void land(int chunk, int micro_batch);

  Rank& rank_;
  Replica& replica_;
  Config config_;
  Batch batch_;
  OwnedTensor d_loss_;        // (1), batch_.d_loss
  std::int64_t updates_ = 0;  // of the program so far
  std::vector<Flying> flying_;
  std::vector<std::unique_ptr<Flight>> landed_;  // to be used again
};

}  // namespace dure::train
