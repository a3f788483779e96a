#include "examples/data_parallel/planned_form.h"

#include <cmath>

#include "dure/base/check.h"
#include "dure/data/batch_position.h"
#include "dure/model/add_weights.h"
#include "dure/model/initialize.h"
#include "dure/model/weights.h"
#include "dure/nn/cross_entropy.h"
#include "dure/optim/schedule.h"

namespace dure::data_parallel {
namespace {

using comm::SumOrder;

std::uint64_t seed_of(const train::Config& config) {
  return static_cast<std::uint64_t>(config.train.seed);
}

comm::CollectiveOptions how(const train::Config& config,
                            Route route,
                            const Travel& travel) {
  const SumOrder sums = config.parallel.sums;
  return {.sums = sums,
          .algorithm = sums == SumOrder::kRanked || route == Route::kQuickest
                           ? comm::Algorithm::kAutomatic
                           : travel.algorithm};
}

// The first form computes the loss on rank 0.
model::Logits logits_of(Form form) {
  return form == Form::kDataParallel ? model::Logits::kGiven
                                     : model::Logits::kBlocks;
}

model::Stack whole_model(const train::Config& config,
                         Form form,
                         nn::ParameterSet& parameters) {
  const auto units = model::units(config.model, {.logits = logits_of(form)});
  const model::UnitRange all = {.first = 0,
                                .last = static_cast<int>(units.size())};
  add_weights(config.model, parameters, {}, {&all, 1});
  return {units,
          all,
          {.config = config.model,
           .seed = seed_of(config),
           .parameters = parameters,
           .place = {}}};
}

float d_loss_of(const FormPlan& plan) {
  return static_cast<float>(1 / static_cast<double>(plan.sizes.rows));
}

}  // namespace

FormPlan plan_for(const train::Config& config,
                  const nn::ParameterSet& parameters,
                  Form form,
                  int ranks) {
  return plan_form(
      form,
      {.weights = FlatStorage::elements_of(parameters),
       .rows = config.train.global_batch * config.data.sequence,
       .columns = model::padded_vocabulary(config.model.vocabulary, 1),
       .optimizer_bytes_per_weight =
           std::ssize(config.optimizer.name->states(config.optimizer)) *
           static_cast<std::int64_t>(sizeof(float))},
      ranks);
}

PlannedForm::PlannedForm(train::Rank& rank,
                         const train::Config& config,
                         Form form,
                         Route route)
    : rank_(rank),
      config_(config),
      route_(route),
      stack_(whole_model(config, form, parameters_)),
      home_(rank.stream, rank.arena, parameters_),
      plan_(plan_for(config, parameters_, form, rank.world().size())),
      ctx_(rank.context()),
      local_(rank, config.train.micro_batch, config.data.sequence),
      d_loss_(scalar(rank, d_loss_of(plan_))),
      losses_(rank) {
  inputs_ = local_.batch(d_loss_);
  const auto specs = model::weights(config.model);
  for (std::size_t w = 0; w < specs.size(); ++w) {
    model::initialize(rank.stream,
                      specs[w],
                      seed_of(config),
                      {.value = parameters_[w].value});
  }
  for (const FormStep& step : plan_.steps) {
    make_room(step);
  }
}

// Makes memory for the tensors that a step brings to this rank.
void PlannedForm::make_room(const FormStep& step) {
  const auto room = [&](const Shape& shape, DType dtype) {
    return rank_.arena.tensor(shape, Category::kCommunication, dtype);
  };
  switch (step.action) {
    case FormAction::kReadOnRoot:
      if (is_root()) {
        batch_.emplace(
            rank_, config_.train.global_batch, config_.data.sequence);
      }
      break;
    case FormAction::kScatterInputs:
      ids_ = room({local_.rows()}, DType::kI32);
      inputs_.ids = ids_;
      break;
    case FormAction::kScatterTargets:
      targets_ = room({local_.rows()}, DType::kI32);
      inputs_.targets = targets_;
      break;
    case FormAction::kGatherLogits:
      logits_NV_ = room(
          {is_root() ? plan_.sizes.rows : local_.rows(), plan_.sizes.columns},
          DType::kF32);
      break;
    case FormAction::kGatherLosses:
      if (is_root()) {
        losses_N_ = room({plan_.sizes.rows}, DType::kF32);
      }
      break;
    case FormAction::kUpdateOnRoot:
      if (is_root()) {
        update_.emplace(rank_, parameters_, config_.optimizer);
      }
      break;
    case FormAction::kUpdate:
      update_.emplace(rank_, parameters_, config_.optimizer);
      break;
    default:
      break;
  }
}

Tensor PlannedForm::on_root(const Tensor& whole) const {
  return is_root() ? whole : Tensor();
}

Tensor PlannedForm::own_logits() const {
  return logits_NV_.rows(0, local_.rows());
}

std::optional<double> PlannedForm::step(const data::Dataset& dataset) {
  const data::BatchLayout layout = {.global_batch = config_.train.global_batch,
                                    .micro_batch = config_.train.micro_batch,
                                    .ranks = plan_.ranks,
                                    .rank = rank_.world().rank()};
  first_sample_ = layout.sample(consumed_, 0, 0);
  local_.place(first_sample_);
  losses_.clear();
  home_.begin_step();
  for (const FormStep& step : plan_.steps) {
    execute(step, dataset);
  }
  consumed_ += config_.train.global_batch;
  return is_root() ? std::optional(losses_.download().value() /
                                   static_cast<double>(plan_.sizes.rows))
                   : std::nullopt;
}

void PlannedForm::execute(const FormStep& step, const data::Dataset& dataset) {
  if (step.travel) {
    communicate(step);
  } else {
    compute(step, dataset);
  }
}

void PlannedForm::communicate(const FormStep& step) {
  comm::Communicator& world = rank_.world();
  const comm::CollectiveOptions by = how(config_, route_, *step.travel);
  const auto scatter = [&](Tensor y, ConstTensor whole) {
    world.run(rank_.stream, comm::Scatter{.y = y, .x = whole, .how = by});
  };
  switch (step.action) {
    case FormAction::kScatterInputs:
      scatter(ids_, is_root() ? batch_->batch().ids : ConstTensor());
      break;
    case FormAction::kScatterTargets:
      scatter(targets_, is_root() ? batch_->batch().targets : ConstTensor());
      break;
    case FormAction::kBroadcastWeights:
      world.run(rank_.stream, comm::Broadcast{.x = home_.values(), .how = by});
      break;
    case FormAction::kGatherLogits:
      world.run(
          rank_.stream,
          comm::Gather{.y = on_root(logits_NV_), .x = own_logits(), .how = by});
      break;
    case FormAction::kScatterLogitGradients:
      scatter(own_logits(), on_root(logits_NV_));
      break;
    case FormAction::kGatherLosses:
      world.run(
          rank_.stream,
          comm::Gather{.y = on_root(losses_N_), .x = local_.loss(), .how = by});
      if (is_root()) {
        losses_.add(losses_N_);
      }
      break;
    case FormAction::kReduceGradients:
      world.run(rank_.stream,
                comm::Reduce{.y = on_root(home_.gradients()),
                             .x = home_.gradients(),
                             .how = by});
      break;
    case FormAction::kBroadcastGradients:
      world.run(rank_.stream,
                comm::Broadcast{.x = home_.gradients(), .how = by});
      break;
    case FormAction::kAllReduceGradients:
      world.run(rank_.stream,
                comm::AllReduce{
                    .y = home_.gradients(), .x = home_.gradients(), .how = by});
      break;
    default:
      DURE_CHECK(false, "no executor for: {}", name_of(step.action));
  }
}

void PlannedForm::compute(const FormStep& step, const data::Dataset& dataset) {
  switch (step.action) {
    case FormAction::kReadOnRoot:
      if (is_root()) {
        batch_->load(dataset, consumed_);
      }
      break;
    case FormAction::kRead:
      local_.load(dataset, first_sample_);
      break;
    case FormAction::kForwardToLogits:
      inputs_.logits = own_logits();
      stack_.forward(ctx_, {}, inputs_, saved_);
      break;
    case FormAction::kLossOnRoot:
      if (is_root()) {
        loss_on_root();
      }
      break;
    case FormAction::kForwardToLoss:
      stack_.forward(ctx_, {}, inputs_, saved_);
      break;
    case FormAction::kBackwardFromLogits:
      inputs_.d_logits = own_logits();
      stack_.backward(ctx_, {}, inputs_, saved_);
      break;
    case FormAction::kBackward:
      stack_.backward(ctx_, {}, inputs_, saved_);
      break;
    case FormAction::kUpdateOnRoot:
    case FormAction::kUpdate:
      if (update_) {
        update_->run(losses_.digits());
      }
      break;
    default:
      DURE_CHECK(false, "no executor for: {}", name_of(step.action));
  }
}

// Turns the logits into their own gradient.
void PlannedForm::loss_on_root() {
  const nn::CrossEntropy cross_entropy(config_.model.vocabulary, mesh::Part{});
  cross_entropy.loss_and_gradient(ctx_,
                                  {.loss = batch_->loss(),
                                   .logits = logits_NV_,
                                   .targets = batch_->batch().targets,
                                   .weights = batch_->batch().weights,
                                   .d_loss = d_loss_});
  losses_.add(batch_->loss());
}

}  // namespace dure::data_parallel
