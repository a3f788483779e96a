// Steps that overlap: those of schedules without a flush.
#include <cmath>
#include <utility>

#include "dure/base/check.h"
#include "dure/optim/schedule.h"
#include "dure/train/combine.h"
#include "dure/train/segment.h"
#include "dure/train/trainer.h"

namespace dure::train {

std::vector<StepResult> Trainer::steps(const data::Dataset& dataset,
                                       int count) {
  if (!parallel::is_synchronous(config_.parallel.schedule)) {
    updating_ = true;
    std::vector<StepResult> results = results_of(run_segment(dataset, count));
    updating_ = false;
    return results;
  }
  std::vector<StepResult> results;
  for (int i = 0; i < count; ++i) {
    results.push_back(step(dataset));
  }
  return results;
}

std::vector<Trainer::StepSums> Trainer::run_segment(
    const data::Dataset& dataset, int count) {
  const data::BatchLayout layout = layout_of(config_.train.global_batch);
  const Segment segment = plan_segment(replica_.pipeline(),
                                       rank_.pipe().rank(),
                                       static_cast<int>(layout.micro_steps()),
                                       count);
  parallel::ParameterStore& store = replica_.store();
  std::vector<StepSums> sums;
  TrainingStages::Batch batch = batch_of(dataset, layout);
  batch.update = [&](int last_micro_batch) {
    const std::int64_t step = position_.step + std::ssize(sums) + 1;
    sums.push_back(update(step, last_micro_batch));
    if (sums.size() < segment.visits.size()) {
      store.begin_step(segment.visits[sums.size()]);
    }
  };
  store.begin_overlap(segment.versions);
  store.begin_step(segment.visits.front());
  stages_.begin(std::move(batch));
  executor_.run(segment.program, stages_);
  return sums;
}

// Of this stage: nothing waits for another one.
Trainer::StepSums Trainer::update(std::int64_t step, int last_micro_batch) {
  replica_.store().finish_gradients();
  alike_sums_.run();
  gradient_norm_.compute(rank_.stream);
  const StepSums sums = {.loss = stages_.loss_sum(),
                         .squares = gradient_norm_.total()};
  check_finite(step, sums);
  replica_.store().before_update(last_micro_batch);
  optimizer_->step(
      rank_.stream,
      optim::learning_rate(optimizer_->updates() + 1, config_.optimizer),
      1);
  replica_.store().publish();
  return sums;
}

void Trainer::check_finite(std::int64_t step, const StepSums& sums) const {
  const std::optional<std::size_t> target = gradient_norm_.first_nonfinite();
  if (!target && std::isfinite(sums.loss.value())) {
    return;
  }
  DURE_CHECK(false,
             "step ",
             step,
             ": ",
             target
                 ? concat("the gradient of ", gradient_name(counted_[*target]))
                 : std::string("the loss"),
             " is not finite, on stage ",
             rank_.pipe().rank(),
             ". Other stages may be past this step, so the weights of this run "
             "are lost from the last checkpoint on: lower "
             "optimizer.learning_rate, or lengthen optimizer.warmup_steps, and "
             "go on from there with --resume");
}

// What all ranks know when the pipeline is empty.
std::vector<StepResult> Trainer::results_of(std::span<const StepSums> here) {
  std::vector<ExactSum> losses;
  std::vector<ExactSum> squares;
  for (const StepSums& sums : here) {
    losses.push_back(sums.loss);
    squares.push_back(sums.squares);
  }
  sum_over(rank_.data(), rank_.stream, losses);
  sum_over(rank_.pipe(), rank_.stream, losses);
  sum_over(*replica_.store().groups().shard, rank_.stream, squares);
  sum_over(*rank_.tensor().ranks, rank_.stream, squares);
  sum_over(rank_.pipe(), rank_.stream, squares);
  const std::int64_t tokens =
      config_.train.global_batch * config_.data.sequence;
  std::vector<StepResult> results;
  for (std::size_t i = 0; i < here.size(); ++i) {
    results.push_back({.step = position_.step + 1,
                       .loss = losses[i].value() / static_cast<double>(tokens),
                       .learning_rate = optim::learning_rate(
                           position_.updates + 1, config_.optimizer),
                       .grad_norm = optim::norm_of(squares[i]),
                       .tokens = tokens});
    position_ = {.step = position_.step + 1,
                 .updates = position_.updates + 1,
                 .consumed = position_.consumed + config_.train.global_batch};
  }
  return results;
}

}  // namespace dure::train
