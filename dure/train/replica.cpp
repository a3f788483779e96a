#include "dure/train/replica.h"

#include <utility>

#include "dure/base/check.h"
#include "dure/model/weights.h"

namespace dure::train {
namespace {

std::vector<model::Decoder> make_chunks(
    const model::ModelConfig& config,
    std::uint64_t seed,
    nn::ParameterSet& parameters,
    mesh::Part part,
    std::span<const model::UnitRange> ranges) {
  add_weights(config, parameters, part.count, ranges);
  std::vector<model::Decoder> chunks;
  for (const model::UnitRange& range : ranges) {
    chunks.emplace_back(config, seed, parameters, part, range);
  }
  return chunks;
}

// A tied embedding whose units are on two ranks: both hold it.
std::optional<parallel::Tied> tied_weight(const model::ModelConfig& config,
                                          const nn::ParameterSet& parameters,
                                          const Rank& rank) {
  if (rank.ends() == nullptr) {
    return std::nullopt;
  }
  for (const model::WeightSpec& spec : model::weights(config)) {
    if (spec.units.size() == 1) {
      continue;
    }
    for (std::size_t w = 0; w < parameters.all().size(); ++w) {
      const nn::Parameter& here = parameters.all()[w];
      if (here.name == spec.name && here.units.size() < spec.units.size()) {
        return parallel::Tied{.weight = static_cast<int>(w),
                              .ranks = rank.ends()};
      }
    }
  }
  return std::nullopt;
}

parallel::StoreOptions options_of(parallel::StoreOptions options,
                                  Purpose purpose,
                                  std::optional<parallel::Tied> tied) {
  options.gradients = purpose == Purpose::kTrain ? parallel::WithGradients::kYes
                                                 : parallel::WithGradients::kNo;
  options.tied = tied;
  return options;
}

}  // namespace

Replica::Replica(Rank& rank,
                 const model::ModelConfig& config,
                 std::uint64_t seed,
                 Purpose purpose,
                 parallel::StoreOptions store,
                 Pipeline pipeline)
    : pipeline_(std::move(pipeline)),
      first_units_(first_units(config)),
      chunks_(make_chunks(config,
                          seed,
                          parameters_,
                          rank.tensor().part(),
                          pipeline_.chunks(rank.pipe().rank()))),
      store_(
          rank.stream,
          rank.arena,
          parameters_,
          rank.data(),
          options_of(store, purpose, tied_weight(config, parameters_, rank))) {}

Replica::Replica(Rank& rank,
                 const model::ModelConfig& config,
                 std::uint64_t seed,
                 Purpose purpose,
                 parallel::StoreOptions store)
    : Replica(rank,
              config,
              seed,
              purpose,
              store,
              forward_pipeline(config, rank.pipe().size())) {}

const model::Decoder& Replica::decoder() const {
  DURE_CHECK(chunks_.size() == 1 &&
                 chunks_[0].units() == model::all_units(config().layers),
             "wanted a whole model on one rank, got a stage of one");
  return chunks_[0];
}

// The first unit that uses a weight is what counts it.
bool Replica::is_copy(const nn::Parameter& parameter) const {
  const auto found = first_units_.find(parameter.name);
  return found != first_units_.end() &&
         found->second != parameter.units.front();
}

Replica::FirstUnits Replica::first_units(const model::ModelConfig& config) {
  FirstUnits units;
  for (const model::WeightSpec& spec : model::weights(config)) {
    if (spec.units.size() > 1) {
      units.emplace(spec.name, spec.units.front());
    }
  }
  return units;
}

}  // namespace dure::train
