#include "dure/train/trainer.h"

#include <cmath>
#include <exception>
#include <fmt/format.h>
#include <string>
#include <utility>

#include "dure/base/check.h"
#include "dure/config/ramp_up.h"
#include "dure/optim/schedule.h"
#include "dure/train/draw_weights.h"
#include "dure/train/evaluate.h"
#include "dure/train/options.h"

namespace dure::train {
namespace {

std::uint64_t seed_of(const Config& config) {
  return static_cast<std::uint64_t>(config.train.seed);
}

constexpr int kLargestF16 = 65504;

Updater::Reach reach_of(const Config& config) {
  return parallel::is_synchronous(config.parallel.schedule)
             ? Updater::Reach::kJoint
             : Updater::Reach::kLocal;
}

}  // namespace

Trainer::Trainer(Rank& rank, const Config& config)
    : rank_(rank),
      config_(config),
      reach_(reach_of(config)),
      rank_model_(rank,
                  config.model,
                  seed_of(config),
                  nn::Phase::kTrain,
                  store_options(config),
                  pipeline_of(config),
                  model_types(config.precision)),
      updater_(rank, rank_model_, config, reach_),
      samples_(rank.group(mesh::kSamples)),
      stages_(rank, rank_model_, config),
      executor_({.stream = &rank.stream,
                 .arena = &rank.arena,
                 .ranks = &rank.group(mesh::kStages),
                 .tensor = rank.tensor()},
                rank_model_.pipeline().schedule,
                rank_model_.boundaries()) {
  draw_weights(rank, rank_model_, seed_of(config));
}

// A GPU may still write to the host what was launched. An error has been thrown
// already, or belongs to steps that nobody asks for.
Trainer::~Trainer() {
  if (!begun_.empty()) {
    try {
      rank_.stream.synchronize();
    } catch (const std::exception&) {
      return;
    }
  }
}

void Trainer::set_position(const TrainingPosition& position) {
  position_ = position;
  updater_.set_updates(position.updates);
  updater_.set_loss_scale(
      next_loss_scale_state(config_.precision, position.loss_scale));
}

const Segment& Trainer::segment_of(std::int64_t micro_batches, int steps) {
  if (segment_micro_batches_ != micro_batches ||
      std::ssize(segment_.visits) != steps) {
    segment_micro_batches_ = micro_batches;
    segment_ = plan_segment(rank_model_.pipeline(),
                            rank_.group(mesh::kStages).rank(),
                            static_cast<int>(micro_batches),
                            steps);
  }
  return segment_;
}

data::BatchLayout Trainer::layout_of(std::int64_t global_batch) const {
  const data::BatchLayout layout = {.global_batch = global_batch,
                                    .micro_batch = config_.train.micro_batch,
                                    .ranks = samples_.size(),
                                    .rank = samples_.rank()};
  layout.check();
  return layout;
}

TrainingPosition Trainer::begun_position() const {
  TrainingPosition position = position_;
  for (const std::unique_ptr<Begun>& begun : begun_) {
    const std::int64_t steps = begun->record.steps();
    position.step += steps;
    position.consumed += steps * begun->global_batch;
  }
  return position;
}

StepResult Trainer::step(const data::Dataset& dataset) {
  begin(dataset);
  return end().front();
}

std::vector<StepResult> Trainer::steps(const data::Dataset& dataset,
                                       int count) {
  const int at_once = reach_ == Updater::Reach::kJoint ? 1 : count;
  std::vector<StepResult> results;
  for (int done = 0; done < count; done += at_once) {
    begin(dataset, at_once);
    const auto some = end();
    results.insert(results.end(), some.begin(), some.end());
  }
  return results;
}

void Trainer::begin(const data::Dataset& dataset, int count) {
  const TrainingPosition before = begun_position();
  if (ended_.empty()) {
    ended_.push_back(std::make_unique<Begun>());
  }
  Begun& begun = *begun_.emplace_back(std::move(ended_.back()));
  ended_.pop_back();
  begun.global_batch = global_batch_after(before.consumed, config_.train);
  updater_.begin(begun.record,
                 {.count = count,
                  .first_step = before.step + 1,
                  .known = position_.updates,
                  .pending = before.step - position_.step});
  launch(begun, dataset, before.consumed);
}

// Updates that are not in the program come after it, when all ranks are there.
void Trainer::launch(Begun& begun,
                     const data::Dataset& dataset,
                     std::int64_t consumed) {
  const data::BatchLayout layout = layout_of(begun.global_batch);
  const auto steps = static_cast<int>(begun.record.steps());
  const Segment& segment = segment_of(layout.micro_batches(), steps);
  parallel::ParameterStore& store = rank_model_.store();
  std::int64_t updated = 0;
  const auto update = [&](int last_micro_batch) {
    updater_.update(begun.record, updated, last_micro_batch);
    if (++updated < steps) {
      store.begin_step(segment.visits[updated]);
    }
  };
  store.begin_overlap(segment.versions);
  store.begin_step(segment.visits.front());
  stages_.begin(
      {.dataset = &dataset,
       .layout = layout,
       .consumed = consumed,
       .loss_weight =
           static_cast<float>(1 / static_cast<double>(tokens_of(begun))),
       .loss_scale = updater_.loss_scale(),
       .losses = begun.record.losses(),
       .update = [&update](int micro_batch) { update(micro_batch); }});
  executor_.run(segment.program, stages_);
  if (updated < steps) {
    update(static_cast<int>(layout.micro_batches()) - 1);
  }
  updater_.read(begun.record);
  begun.launched = rank_.stream.record();
}

std::span<const StepResult> Trainer::end() {
  const Begun& begun = *begun_.front();
  rank_.stream.synchronize(begun.launched);
  results_.clear();
  const std::optional<Overflow> overflow = find_overflow(begun);
  for (std::int64_t step = 0; step < begun.record.steps(); ++step) {
    results_.push_back(result_of(begun, step));
    if (overflow && overflow->step == step) {
      fail_overflown(overflow->weight);
    }
    const bool is_made = begun.record.is_made(step);
    if (!is_made) {
      leave_out(begun, step, results_.back());
    }
    position_ = {.step = position_.step + 1,
                 .updates = position_.updates + (is_made ? 1 : 0),
                 .consumed = position_.consumed + begun.global_batch,
                 .loss_scale = loss_scale_after(begun, step)};
  }
  ended_.push_back(std::move(begun_.front()));
  begun_.erase(begun_.begin());
  if (begun_.empty()) {
    updater_.end();
  }
  return results_;
}

StepResult Trainer::result_of(const Begun& begun, std::int64_t step) const {
  const std::int64_t tokens = tokens_of(begun);
  const kernels::UpdateOutcome outcome = begun.record.outcome(step);
  StepResult result = {
      .step = position_.step + 1,
      .loss =
          begun.record.host_loss(step).value() / static_cast<double>(tokens),
      .learning_rate =
          optim::learning_rate(position_.updates + 1, config_.optimizer),
      .grad_norm = std::sqrt(begun.record.host_squares(step).value()) /
                   static_cast<double>(outcome.scale_used),
      .tokens = tokens,
      .gradient_exponents = begun.record.gradient_exponents(
          step,
          scales_loss(config_.precision) ? LossIs::kScaled
                                         : LossIs::kUnscaled)};
  if (scales_loss(config_.precision)) {
    result.loss_scale = outcome.scale_used;
    result.next_loss_scale = outcome.after.scale;
  }
  return result;
}

std::optional<kernels::LossScaleState> Trainer::loss_scale_after(
    const Begun& begun, std::int64_t step) const {
  return config_.precision.loss_scale == kDynamicScale
             ? std::optional(begun.record.outcome(step).after)
             : std::nullopt;
}

// All ranks come here together, except for updates that each decides for
// itself.
void Trainer::leave_out(const Begun& begun,
                        std::int64_t step,
                        StepResult& result) {
  if (reach_ == Updater::Reach::kLocal) {
    lose(begun, step, result);
  }
  const std::optional<std::int64_t> weight =
      rank_.control().least(updater_.nonfinite(begun.record, step));
  result.skipped =
      weight ? "the gradient of " + name_of_weight(*weight) : "the loss";
  const kernels::UpdateOutcome outcome = begun.record.outcome(step);
  if (outcome.ends_run) {
    fail_unchanged(fmt::format(
        "step {}: {} is not finite at the smallest loss scale, {:g}, and the "
        "weights were left as they were before it; set precision.scale_rule = "
        "\"megatron\" to leave such batches out, lower "
        "precision.minimum_scale or optimizer.learning_rate, or train with "
        "precision.compute = \"bf16\", which needs no scale",
        result.step,
        *result.skipped,
        outcome.scale_used));
  }
  if (outcome.is_overflow) {
    return;
  }
  if (config_.train.on_nonfinite == OnNonfinite::kStop) {
    fail_unchanged(fmt::format(
        "step {}: {} is not finite (loss {:g}), and the weights were left as "
        "they were before it; lower optimizer.learning_rate, lengthen "
        "optimizer.warmup_steps, or set train.on_nonfinite = \"skip\" to leave "
        "such batches out",
        result.step,
        *result.skipped,
        result.loss));
  }
}

void Trainer::fail_unchanged(const std::string& text) {
  begun_.clear();  // none of them has changed anything
  updater_.end();
  throw NotFinite(std::move(results_), text);
}

// Any rank may own the weight's elements, and all must stop.
std::optional<Trainer::Overflow> Trainer::find_overflow(const Begun& begun) {
  if (compute_type(config_.precision) != DType::kF16) {
    return std::nullopt;
  }
  const std::int64_t weights = std::ssize(rank_model_.weights().all());
  std::optional<std::int64_t> here;
  for (std::int64_t step = 0; step < begun.record.steps() && !here; ++step) {
    if (const auto weight = updater_.overflowed(begun.record, step)) {
      here = step * weights + *weight;
    }
  }
  const std::optional<std::int64_t> first = rank_.control().least(here);
  return first ? std::optional(Overflow{.step = *first / weights,
                                        .weight = *first % weights})
               : std::nullopt;
}

// The masters are finite, but what layers read is not: this and later steps are
// lost.
void Trainer::fail_overflown(std::int64_t weight) {
  begun_.clear();
  const std::int64_t step = results_.back().step;
  throw NotFinite(
      std::move(results_),
      fmt::format(
          "step {}: {} has grown beyond {}, the largest number of "
          "precision.compute = \"fp16\", so the weights of this run are lost "
          "from the last checkpoint on; set precision.compute = \"bf16\", a "
          "lower optimizer.learning_rate or a higher optimizer.weight_decay, "
          "and go on from there with --resume",
          step,
          name_of_weight(weight),
          kLargestF16));
}

// Throws for a segment, whose other stages may have gone on.
void Trainer::lose(const Begun& begun,
                   std::int64_t step,
                   const StepResult& result) const {
  const auto weight = updater_.nonfinite(begun.record, step);
  const char* const advice =
      scales_loss(config_.precision)
          ? "lower precision.loss_scale or optimizer.learning_rate, or set "
            "precision.compute = \"bf16\""
          : "lower optimizer.learning_rate, or lengthen optimizer.warmup_steps";
  throw Error(
      "step {}: {} is not finite, on stage {}. Other stages may be past this "
      "step, so the weights of this run are lost from the last checkpoint on: "
      "{}, and go on from there with --resume",
      result.step,
      weight ? "the gradient of " + name_of_weight(*weight)
             : std::string("the loss"),
      rank_.group(mesh::kStages).rank(),
      advice);
}

std::string Trainer::name_of_weight(std::int64_t place) const {
  return rank_model_.weights().all()[place].name;
}

std::optional<double> Trainer::evaluate(const data::Dataset& dataset,
                                        std::int64_t samples,
                                        std::function<bool()> is_stopped) {
  return train::evaluate(rank_,
                         rank_model_,
                         dataset,
                         {.samples = samples,
                          .micro_batch = config_.train.micro_batch,
                          .sequence = config_.data.sequence,
                          .is_stopped = std::move(is_stopped)});
}

}  // namespace dure::train
