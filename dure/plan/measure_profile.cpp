#include "dure/plan/measure_profile.h"

#include <map>
#include <string>
#include <vector>

#include "dure/base/arithmetic.h"
#include "dure/base/limits.h"
#include "dure/comm/measure.h"
#include "dure/launch/run_ranks.h"
#include "dure/model/stage_split.h"
#include "dure/plan/timed_layer.h"

namespace dure::plan {
namespace {

std::int64_t threads_of(const train::Config& config) {
  return config.train.threads > 0 ? config.train.threads : usable_processors();
}

model::LayerProfile measure(const train::Config& config,
                            const MeasureProfile& options,
                            const model::UnitRange& units) {
  train::Rank rank({.device = config.train.device,
                    .rates = options.rates,
                    .threads = static_cast<int>(config.train.threads)});
  TimedLayer layer(rank, config, units);
  layer.run();  // fills caches, and memory that is kept
  std::vector<double> forward;
  std::vector<double> backward;
  for (int i = 0; i < options.rounds; ++i) {
    const TimedLayer::Seconds seconds = layer.run();
    forward.push_back(seconds.forward);
    backward.push_back(seconds.backward);
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
