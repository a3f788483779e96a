#include "dure/train/training_stages.h"

#include <algorithm>
#include <span>
#include <utility>

#include "dure/base/check.h"
#include "dure/kernels/exact_sum.h"
#include "dure/kernels/transfer.h"

namespace dure::train {

TrainingStages::TrainingStages(Rank& rank,
                               Replica& replica,
                               const Config& config)
    : rank_(rank),
      replica_(replica),
      config_(config),
      d_loss_(scalar(rank, batch_.d_loss)) {
  // Makes the inputs of the first flight, so that a step with one flight
  // allocates nothing.
  landed_.push_back(std::make_unique<Flight>(rank, config));
}

void TrainingStages::begin(Batch batch) {
  batch_ = std::move(batch);
  launch(rank_.stream,
         kernels::Upload{.y = d_loss_,
                         .host = std::as_bytes(std::span(&batch_.d_loss, 1))});
  updates_ = 0;
}

nn::Context TrainingStages::context(int micro_batch) {
  nn::Context ctx = rank_.context();
  ctx.micro_batch = micro_batch;
  return ctx;
}

TrainingStages::Flight& TrainingStages::take_off(int chunk, int micro_batch) {
  if (landed_.empty()) {
    landed_.push_back(std::make_unique<Flight>(rank_, config_));
  }
  flying_.push_back({chunk, micro_batch, std::move(landed_.back())});
  landed_.pop_back();
  return *flying_.back().flight;
}

std::vector<TrainingStages::Flying>::iterator TrainingStages::find(
    int chunk, int micro_batch) {
  const auto found =
      std::find_if(flying_.begin(), flying_.end(), [&](const Flying& flying) {
        return flying.chunk == chunk && flying.micro_batch == micro_batch;
      });
  DURE_CHECK(found != flying_.end(),
             "a backward of micro-batch ",
             micro_batch,
             " without its forward");
  return found;
}

TrainingStages::Flight& TrainingStages::in_flight(int chunk, int micro_batch) {
  return *find(chunk, micro_batch)->flight;
}

void TrainingStages::land(int chunk, int micro_batch) {
  const auto landing = find(chunk, micro_batch);
  landed_.push_back(std::move(landing->flight));
  flying_.erase(landing);
}

std::int64_t TrainingStages::rows(int /*micro_batch*/,
                                  parallel::StreamName /*stream*/) const {
  return config_.train.micro_batch * config_.data.sequence;
}

parallel::Streams TrainingStages::forward(int chunk,
                                          int micro_batch,
                                          Streams x) {
  Flight& flight = take_off(chunk, micro_batch);
  const model::Stack& here = stack(chunk);
  if (here.reads_tokens()) {
    flight.inputs.load(*batch_.dataset, first_sample(micro_batch));
  } else {
    flight.inputs.place(first_sample(micro_batch));
  }
  nn::Context ctx = context(micro_batch);
  Streams y = here.forward(
      ctx, std::move(x), flight.inputs.batch(d_loss_), flight.saved);
  if (here.makes_loss()) {
    launch(
        rank_.stream,
        kernels::AddToExactSum{
            .sum =
                batch_.losses.rows(updates_, 1).reshaped({kernels::kSumDigits}),
            .x = flight.inputs.loss()});
  }
  return y;
}

parallel::Streams TrainingStages::backward(int chunk,
                                           int micro_batch,
                                           Streams d_y) {
  Flight& flight = in_flight(chunk, micro_batch);
  nn::Context ctx = context(micro_batch);
  Streams d_x = stack(chunk).backward(
      ctx, std::move(d_y), flight.inputs.batch(), flight.saved);
  land(chunk, micro_batch);
  return d_x;
}

parallel::Streams TrainingStages::backward_input(int chunk,
                                                 int micro_batch,
                                                 Streams d_y) {
  Flight& flight = in_flight(chunk, micro_batch);
  nn::Context ctx = context(micro_batch);
  return stack(chunk).backward_input(
      ctx, std::move(d_y), flight.inputs.batch(), flight.saved);
}

void TrainingStages::backward_weights(int chunk, int micro_batch) {
  nn::Context ctx = context(micro_batch);
  stack(chunk).backward_weights(ctx, in_flight(chunk, micro_batch).saved);
  land(chunk, micro_batch);
}

void TrainingStages::update(int micro_batch) {
  batch_.update(micro_batch);
  ++updates_;
}

}  // namespace dure::train
