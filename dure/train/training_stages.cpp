#include "dure/train/training_stages.h"

#include <algorithm>
#include <span>
#include <utility>

#include "dure/base/check.h"
#include "dure/kernels/exact_sum.h"
#include "dure/kernels/scale_loss.h"

namespace dure::train {

TrainingStages::TrainingStages(Rank& rank,
                               RankModel& rank_model,
                               const Config& config)
    : rank_(rank),
      rank_model_(rank_model),
      config_(config),
      d_loss_(scalar(rank, 0)) {
  // Makes the inputs of the first slot, so that a step with one
  // allocates nothing.
  free_.push_back(std::make_unique<Slot>(rank, config));
}

void TrainingStages::begin(Batch batch) {
  batch_ = std::move(batch);
  launch(rank_.stream,
         kernels::ScaleLoss{.d_loss = d_loss_,
                            .loss_scale = batch_.loss_scale,
                            .weight = batch_.loss_weight});
  updates_ = 0;
}

nn::Context TrainingStages::context(int micro_batch) {
  nn::Context ctx = rank_.context();
  ctx.micro_batch = micro_batch;
  return ctx;
}

TrainingStages::Slot& TrainingStages::acquire(int chunk, int micro_batch) {
  if (free_.empty()) {
    free_.push_back(std::make_unique<Slot>(rank_, config_));
  }
  in_flight_.push_back({chunk, micro_batch, std::move(free_.back())});
  free_.pop_back();
  return *in_flight_.back().slot;
}

std::vector<TrainingStages::InFlight>::iterator TrainingStages::find(
    int chunk, int micro_batch) {
  const auto found = std::find_if(
      in_flight_.begin(), in_flight_.end(), [&](const InFlight& slot) {
        return slot.chunk == chunk && slot.micro_batch == micro_batch;
      });
  DURE_CHECK(found != in_flight_.end(),
             "a backward of micro-batch {} without its forward",
             micro_batch);
  return found;
}

TrainingStages::Slot& TrainingStages::slot_of(int chunk, int micro_batch) {
  return *find(chunk, micro_batch)->slot;
}

void TrainingStages::release(int chunk, int micro_batch) {
  const auto landing = find(chunk, micro_batch);
  free_.push_back(std::move(landing->slot));
  in_flight_.erase(landing);
}

std::int64_t TrainingStages::rows(int /*micro_batch*/,
                                  parallel::StreamName /*stream*/) const {
  return config_.train.micro_batch * config_.data.sequence;
}

parallel::Streams TrainingStages::forward(int chunk,
                                          int micro_batch,
                                          Streams x) {
  Slot& slot = acquire(chunk, micro_batch);
  const model::Stack& here = stack(chunk);
  if (here.reads_tokens()) {
    slot.inputs.load(*batch_.dataset, first_sample(micro_batch));
  } else {
    slot.inputs.place(first_sample(micro_batch));
  }
  nn::Context ctx = context(micro_batch);
  Streams y =
      here.forward(ctx, std::move(x), slot.inputs.batch(d_loss_), slot.saved);
  if (here.makes_loss()) {
    launch(
        rank_.stream,
        kernels::AddToExactSum{
            .sum =
                batch_.losses.rows(updates_, 1).reshaped({kernels::kSumDigits}),
            .x = slot.inputs.loss()});
  }
  return y;
}

parallel::Streams TrainingStages::backward(int chunk,
                                           int micro_batch,
                                           Streams d_y) {
  Slot& slot = slot_of(chunk, micro_batch);
  nn::Context ctx = context(micro_batch);
  Streams d_x = stack(chunk).backward(
      ctx, std::move(d_y), slot.inputs.batch(), slot.saved);
  release(chunk, micro_batch);
  return d_x;
}

parallel::Streams TrainingStages::backward_input(int chunk,
                                                 int micro_batch,
                                                 Streams d_y) {
  Slot& slot = slot_of(chunk, micro_batch);
  nn::Context ctx = context(micro_batch);
  return stack(chunk).backward_input(
      ctx, std::move(d_y), slot.inputs.batch(), slot.saved);
}

void TrainingStages::backward_weights(int chunk, int micro_batch) {
  nn::Context ctx = context(micro_batch);
  stack(chunk).backward_weights(ctx, slot_of(chunk, micro_batch).saved);
  release(chunk, micro_batch);
}

void TrainingStages::update(int micro_batch) {
  batch_.update(micro_batch);
  ++updates_;
}

}  // namespace dure::train
