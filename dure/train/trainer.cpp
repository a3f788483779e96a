#include "dure/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_map>

#include "dure/base/check.h"
#include "dure/model/weights.h"
#include "dure/optim/schedule.h"
#include "dure/train/combine.h"
#include "dure/train/evaluate.h"
#include "dure/train/load_weights.h"
#include "dure/train/ramp_up.h"

namespace dure::train {
namespace {

std::uint64_t seed_of(const Config& config) {
  return static_cast<std::uint64_t>(config.train.seed);
}

std::vector<optim::Target> targets_of(const Replica& replica,
                                      std::span<const parallel::Kept> pieces) {
  std::vector<optim::Target> targets;
  for (const parallel::Kept& kept : pieces) {
    const nn::Parameter& parameter =
        replica.parameters().all()[static_cast<std::size_t>(kept.weight)];
    targets.push_back({.name = parameter.name,
                       .weight = kept.value,
                       .gradient = kept.gradient,
                       .offset = kept.offset,
                       .decays = parameter.decays});
  }
  return targets;
}

// Of what a rank keeps, what it counts in a sum over all ranks. A tied weight
// is counted by its embedding's stage.
std::vector<parallel::Kept> counted_once(const Replica& replica,
                                         std::span<const parallel::Alike> alike,
                                         mesh::Part part) {
  std::vector<parallel::Kept> kept =
      counted(replica.store().kept(), alike, part);
  std::erase_if(kept, [&](const parallel::Kept& one) {
    return replica.is_copy(
        replica.parameters().all()[static_cast<std::size_t>(one.weight)]);
  });
  return kept;
}

// Where each weight is in the model's table.
std::unordered_map<std::string, std::int64_t> places_of(
    const model::ModelConfig& config) {
  std::unordered_map<std::string, std::int64_t> places;
  for (const model::WeightSpec& spec : model::weights(config)) {
    places.emplace(spec.name, std::ssize(places));
  }
  return places;
}

}  // namespace

Trainer::Trainer(Rank& rank, const Config& config)
    : rank_(rank),
      config_(config),
      replica_(rank,
               config.model,
               seed_of(config),
               Purpose::kTrain,
               store_options(config.parallel),
               pipeline_of(config)),
      targets_(targets_of(replica_, replica_.store().kept())),
      optimizer_(optim::make_optimizer(
          config.optimizer, targets_, rank.arena, rank.stream)),
      alike_(find_alike(replica_.store().kept(),
                        replica_.parameters(),
                        rank.tensor().ranks->size(),
                        rank.tensor().rows)),
      alike_sums_(rank.tensor(), replica_.store().kept(), alike_),
      counted_(counted_once(replica_, alike_, rank.tensor().part())),
      gradient_norm_(targets_of(replica_, counted_)),
      stages_(rank, replica_, config),
      executor_({.stream = &rank.stream,
                 .arena = &rank.arena,
                 .ranks = &rank.pipe(),
                 .tensor = rank.tensor()},
                replica_.pipeline().schedule,
                config.model.hidden) {
  const auto places = places_of(config.model);
  for (const parallel::Kept& kept : counted_) {
    weight_places_.push_back(places.at(gradient_name(kept)));
  }
  draw_weights(rank, replica_, seed_of(config));
}

void Trainer::set_position(const Position& position) {
  position_ = position;
  optimizer_->set_updates(position.updates);
}

const Trainer::StepPlan& Trainer::plan_of(std::int64_t micro_batches) {
  if (plan_.micro_batches != micro_batches) {
    const int rank = rank_.pipe().rank();
    const Pipeline& pipeline = replica_.pipeline();
    plan_ = {.micro_batches = micro_batches,
             .program = program_of(
                 schedule_of(pipeline, static_cast<int>(micro_batches)), rank),
             .visits = {}};
    plan_.visits = visits_of(plan_.program, pipeline, rank);
  }
  return plan_;
}

data::BatchLayout Trainer::layout_of(std::int64_t global_batch) const {
  const data::BatchLayout layout = {.global_batch = global_batch,
                                    .micro_batch = config_.train.micro_batch,
                                    .ranks = rank_.data().size(),
                                    .rank = rank_.data().rank()};
  layout.check();
  return layout;
}

TrainingStages::Batch Trainer::batch_of(const data::Dataset& dataset,
                                        const data::BatchLayout& layout) const {
  const std::int64_t tokens = layout.global_batch * config_.data.sequence;
  return {.dataset = &dataset,
          .layout = layout,
          .consumed = position_.consumed,
          .d_loss = static_cast<float>(1 / static_cast<double>(tokens))};
}

double Trainer::accumulate(const data::Dataset& dataset,
                           std::int64_t global_batch) {
  const data::BatchLayout layout = layout_of(global_batch);
  const StepPlan& plan = plan_of(layout.micro_steps());
  parallel::ParameterStore& store = replica_.store();
  store.begin_step(plan.visits);
  stages_.begin(batch_of(dataset, layout));
  executor_.run(plan.program, stages_);
  store.finish_gradients();
  alike_sums_.run();
  const ExactSum here =
      sum_over(rank_.data(), rank_.stream, stages_.loss_sum());
  return sum_over(rank_.pipe(), rank_.stream, here).value() /
         static_cast<double>(global_batch * config_.data.sequence);
}

double Trainer::global_norm() {
  gradient_norm_.compute(rank_.stream);
  // Ranks of other shard groups keep the same.
  const ExactSum shard = sum_over(
      *replica_.store().groups().shard, rank_.stream, gradient_norm_.total());
  return optim::norm_of(
      sum_over(rank_.pipe(),
               rank_.stream,
               sum_over(*rank_.tensor().ranks, rank_.stream, shard)));
}

std::optional<std::string> Trainer::find_nonfinite(double loss) const {
  const std::optional<std::size_t> target = gradient_norm_.first_nonfinite();
  const std::optional<std::int64_t> weight = rank_.control().least(
      target ? std::optional(weight_places_[*target]) : std::nullopt);
  if (weight) {
    return "the gradient of " +
           model::weights(config_.model)[static_cast<std::size_t>(*weight)]
               .name;
  }
  if (!std::isfinite(loss)) {
    return "the loss";
  }
  return std::nullopt;
}

const std::string& Trainer::gradient_name(const parallel::Kept& kept) const {
  return replica_.parameters()
      .all()[static_cast<std::size_t>(kept.weight)]
      .name;
}

void Trainer::stop_or_skip(StepResult& result) {
  if (config_.train.on_nonfinite == OnNonfinite::kStop) {
    throw NotFinite(
        concat("step ",
               result.step,
               ": ",
               *result.skipped,
               " is not finite (loss ",
               result.loss,
               "), and the weights were left as they were before it; lower "
               "optimizer.learning_rate, lengthen optimizer.warmup_steps, or "
               "set train.on_nonfinite = \"skip\" to leave such batches out"));
  }
}

StepResult Trainer::step(const data::Dataset& dataset) {
  if (!parallel::is_synchronous(config_.parallel.schedule)) {
    return steps(dataset, 1).front();
  }
  const std::int64_t global_batch =
      global_batch_after(position_.consumed, config_.train);
  StepResult result = {.step = position_.step + 1,
                       .tokens = global_batch * config_.data.sequence};
  result.loss = accumulate(dataset, global_batch);
  result.grad_norm = global_norm();
  result.learning_rate =
      optim::learning_rate(position_.updates + 1, config_.optimizer);
  result.skipped = find_nonfinite(result.loss);
  if (result.skipped) {
    stop_or_skip(result);
  } else {
    updating_ = true;
    optimizer_->step(
        rank_.stream,
        result.learning_rate,
        optim::clip_scale(result.grad_norm, config_.optimizer.clip_gradient));
    replica_.store().publish();
    updating_ = false;
  }
  position_ = {.step = result.step,
               .updates = optimizer_->updates(),
               .consumed = position_.consumed + global_batch};
  return result;
}

std::optional<double> Trainer::evaluate(const data::Dataset& dataset,
                                        std::int64_t samples,
                                        std::function<bool()> is_stopped) {
  return train::evaluate(rank_,
                         replica_,
                         dataset,
                         {.samples = samples,
                          .micro_batch = config_.train.micro_batch,
                          .sequence = config_.data.sequence,
                          .is_stopped = std::move(is_stopped)});
}

}  // namespace dure::train
