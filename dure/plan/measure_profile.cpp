#include "dure/plan/measure_profile.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "dure/base/arithmetic.h"
#include "dure/base/limits.h"
#include "dure/base/trace.h"
#include "dure/comm/measure.h"
#include "dure/kernels/elementwise.h"
#include "dure/launch/run_ranks.h"
#include "dure/model/add_weights.h"
#include "dure/model/initialize.h"
#include "dure/model/stack.h"
#include "dure/model/stage_split.h"
#include "dure/train/micro_batch.h"

namespace dure::plan {
namespace {

// Weights that stay in place, as with ZeRO 0 on one rank.
class InPlace final : public nn::ParameterStorage {
 public:
  void begin(int, nn::Access, const nn::Context&) override {}
  void end(int, nn::Access, const nn::Context&) override {}
};

// A layer with its weights and a micro-batch.
class Layer {
 public:
  Layer(train::Rank& rank,
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
    const auto tokens =
        static_cast<std::size_t>(batch_.samples() * (config.data.sequence + 1));
    std::vector<std::int32_t> ids(tokens);
    for (std::size_t i = 0; i < tokens; ++i) {
      // Ids are spread over the table, like those of a text.
      ids[i] = static_cast<std::int32_t>(
          i * 7919 % static_cast<std::size_t>(config.model.vocabulary));
    }
    batch_.load(ids);
  }

  double output_bytes() const {
    return stack_->makes_loss()
               ? 0
               : static_cast<double>(stream_shape().elements() *
                                     size_of(types_.residual));
  }
  double weight_bytes() const {
    double bytes = 0;
    for (const nn::Parameter& parameter : parameters_.all()) {
      bytes += static_cast<double>(parameter.value.size_bytes());
    }
    return bytes;
  }

  // The seconds of a forward, and of its backward.
  std::pair<double, double> run() {
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
    return {middle - start, now() - middle};
  }

 private:
  static constexpr float kLossScale = 1024;

  Shape stream_shape() const { return {batch_.rows(), config_.model.hidden}; }
  OwnedTensor stream() {
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

  void fill_weights() {
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
  void fill(nn::Parameter& parameter, const model::WeightSpec& spec) {
    for (const auto& [tensor, category] :
         {std::pair{&parameter.value, Category::kParameters},
          std::pair{&parameter.gradient, Category::kGradients}}) {
      memory_.push_back(
          rank_.arena.tensor(tensor->shape(), category, tensor->dtype()));
      *tensor = memory_.back();
    }
    initialize(rank_.stream, spec, 0, {.value = parameter.value});
  }

  double now() const {
    return rank_.stream.device() == Device::kSim ? rank_.stream.seconds()
                                                 : monotonic_seconds();
  }

  train::Rank& rank_;
  const train::Config& config_;
  InPlace home_;
  nn::ParameterSet parameters_;
  std::vector<OwnedTensor> memory_;
  std::optional<model::Stack> stack_;
  model::Stack::Saved saved_;
  train::MicroBatch batch_;
  model::Types types_;
  OwnedTensor d_loss_;
};

std::int64_t threads_of(const train::Config& config) {
  return config.train.threads > 0 ? config.train.threads : usable_processors();
}

model::LayerProfile measure(const train::Config& config,
                            const MeasureProfile& options,
                            const model::UnitRange& units) {
  train::Rank rank({.device = config.train.device,
                    .rates = options.rates,
                    .threads = static_cast<int>(config.train.threads)});
  Layer layer(rank, config, units);
  layer.run();  // fills caches, and memory that is kept
  std::vector<double> forward;
  std::vector<double> backward;
  for (int i = 0; i < options.rounds; ++i) {
    const auto [there, back] = layer.run();
    forward.push_back(there);
    backward.push_back(back);
  }
  return {.forward_seconds = median(forward),
          .backward_seconds = median(backward),
          .output_bytes = layer.output_bytes(),
          .weight_bytes = layer.weight_bytes()};
}

}  // namespace

double measure_link(std::int64_t bytes) {
  double rate = 0;
  launch::run_ranks({.ranks = 2}, [&](comm::Communicator& comm) {
    const auto rows =
        comm::measure(comm,
                      {.kinds = {comm::Kind::kSend}, .sizes = {bytes}},
                      comm::Limit::kNo);
    if (comm.rank() == 0) {
      rate = rows.at(0).algorithm_bandwidth();
    }
  });
  return rate;
}

train::ProfileFile measure_profile(const train::Config& config,
                                   const MeasureProfile& options) {
  train::ProfileFile file{.model = config.model,
                          .micro_batch = config.train.micro_batch,
                          .sequence = config.data.sequence,
                          .threads = threads_of(config)};
  std::vector<model::LayerProfile>& layers = file.profile.layers;
  // Layers of one type take the same time.
  std::map<std::string, model::LayerProfile> measured;
  for (const model::Layer& layer : model::split_layers(config.model)) {
    if (!measured.contains(layer.type)) {
      measured[layer.type] = measure(config, options, layer.units);
    }
    layers.push_back(measured[layer.type]);
  }
  file.profile.link_bytes_per_second =
      options.link_bytes_per_second > 0
          ? options.link_bytes_per_second
          : measure_link(static_cast<std::int64_t>(layers[0].output_bytes));
  return file;
}

}  // namespace dure::plan
