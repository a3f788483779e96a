// The tensors of one micro-batch, filled from samples of a data set.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dure/data/dataset.h"
#include "dure/model/batch.h"
#include "dure/train/rank.h"

namespace dure::train {

// A tensor (1) with this number, such as model::Batch::d_loss.
OwnedTensor scalar(Rank& rank, float value);

// B samples of S inputs; a sample's targets are its tokens shifted by one. The
// memory is allocated once and filled again for every micro-batch.
class MicroBatch {
 public:
  MicroBatch(Rank& rank, std::int64_t samples, std::int64_t sequence);

  // Loads samples first .. first + B - 1 of the data set, each S + 1 tokens.
  void load(const data::Dataset& dataset, std::int64_t first);

  // Sets only the samples' place, for a stage that reads no tokens.
  void place(std::int64_t first);

  // Loads tokens (B, S + 1) that the caller has; samples count from 0.
  void load(std::span<const std::int32_t> tokens);

  // A trainer sets its d_loss.
  const model::Batch& batch() const { return batch_; }
  model::Batch batch(ConstTensor d_loss) const {
    model::Batch result = batch_;
    result.d_loss = d_loss;
    return result;
  }

  // One loss a row, which the model writes.
  Tensor loss() const { return loss_; }

  std::int64_t samples() const { return samples_; }
  std::int64_t rows() const { return samples_ * sequence_; }

 private:
  Rank& rank_;
  std::int64_t samples_;
  std::int64_t sequence_;
  OwnedTensor ids_;
  OwnedTensor targets_;
  OwnedTensor positions_;
  OwnedTensor first_sample_;
  OwnedTensor loss_;
  std::vector<std::int32_t> host_tokens_;   // (B, S + 1)
  std::vector<std::int32_t> host_ids_;      // (B, S)
  std::vector<std::int32_t> host_targets_;  // (B, S)
  std::int64_t host_first_sample_ = 0;
  model::Batch batch_;
};

}  // namespace dure::train
