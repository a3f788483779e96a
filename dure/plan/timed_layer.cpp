#include "dure/plan/timed_layer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "dure/base/trace.h"
#include "dure/kernels/elementwise.h"
#include "dure/model/add_weights.h"
#include "dure/model/initialize.h"

namespace dure::plan {
namespace {

constexpr float kLossScale = 1024;

// Ids that are spread over the table, like those of a text.
std::vector<std::int32_t> spread_ids(std::size_t count,
                                     std::int64_t vocabulary) {
  std::vector<std::int32_t> ids(count);
  for (std::size_t i = 0; i < count; ++i) {
    ids[i] = static_cast<std::int32_t>(i * 7919 %
                                       static_cast<std::size_t>(vocabulary));
  }
  return ids;
}

}  // namespace

TimedLayer::TimedLayer(train::Rank& rank,
                       const train::Config& config,
                       const model::UnitRange& units)
    : rank_(rank),
      config_(config),
      batch_(rank, config.train.micro_batch, config.data.sequence),
      types_(train::model_types(config.precision)),
      d_loss_(train::scalar(rank, 1.0F / kLossScale)) {
  model::add_weights(config.model,
                     parameters_,
                     {},
                     {&units, 1},
                     {types_.compute, types_.gradients});
  parameters_.set_storage(home_);
  fill_weights();
  stack_.emplace(model::units(config.model, train::activation_policy(config)),
                 units,
                 model::UnitParts{.config = config.model,
                                  .seed = 0,
                                  .parameters = parameters_,
                                  .place = {},
                                  .types = types_});
  batch_.load(spread_ids(
      static_cast<std::size_t>(batch_.samples() * (config.data.sequence + 1)),
      config.model.vocabulary));
}

TimedLayer::Seconds TimedLayer::run() {
  nn::Context ctx = rank_.context();
  parallel::Streams x;
  parallel::Streams d_y;
  if (stack_->range().first > 0) {
    x[parallel::StreamName::kResidual] = stream();
  }
  if (!stack_->makes_loss()) {
    d_y[parallel::StreamName::kResidual] = stream();
  }
  const double start = now();
  const parallel::Streams y =
      stack_->forward(ctx, std::move(x), batch_.batch(d_loss_), saved_);
  const double middle = now();
  stack_->backward(ctx, std::move(d_y), batch_.batch(), saved_);
  return {.forward = middle - start, .backward = now() - middle};
}

double TimedLayer::output_bytes() const {
  return stack_->makes_loss() ? 0
                              : static_cast<double>(stream_shape().elements() *
                                                    size_of(types_.residual));
}

double TimedLayer::weight_bytes() const {
  double bytes = 0;
  for (const nn::Parameter& parameter : parameters_.all()) {
    bytes += static_cast<double>(parameter.value.size_bytes());
  }
  return bytes;
}

OwnedTensor TimedLayer::stream() {
  OwnedTensor x_nC = rank_.arena.tensor(
      stream_shape(), Category::kActivations, types_.residual);
  kernels::launch(rank_.stream,
                  kernels::FillNormal{.y = x_nC,
                                      .stream = RandomStream(0, "profile"),
                                      .standard_deviation = 1,
                                      .columns = config_.model.hidden,
                                      .filled_rows = batch_.rows()});
  return x_nC;
}

void TimedLayer::fill_weights() {
  for (const model::WeightSpec& spec : model::weights(config_.model)) {
    const auto found = std::find_if(
        parameters_.all().begin(),
        parameters_.all().end(),
        [&](const nn::Parameter& p) { return p.name == spec.name; });
    if (found != parameters_.all().end()) {
      fill(*found, spec);
    }
  }
}

void TimedLayer::fill(nn::Parameter& parameter, const model::WeightSpec& spec) {
  for (const auto& [tensor, category] :
       {std::pair{&parameter.value, Category::kParameters},
        std::pair{&parameter.gradient, Category::kGradients}}) {
    memory_.push_back(
        rank_.arena.tensor(tensor->shape(), category, tensor->dtype()));
    *tensor = memory_.back();
  }
  initialize(rank_.stream, spec, 0, {.value = parameter.value});
}

double TimedLayer::now() const {
  return rank_.stream.device() == Device::kSim ? rank_.stream.seconds()
                                               : monotonic_seconds();
}

}  // namespace dure::plan
