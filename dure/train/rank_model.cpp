#include "dure/train/rank_model.h"

#include <utility>

#include "dure/base/check.h"
#include "dure/model/add_weights.h"

namespace dure::train {
namespace {

std::vector<model::Stack> make_chunks(const Pipeline& pipeline,
                                      int pipe_rank,
                                      const model::UnitParts& parts) {
  const std::vector<model::UnitRange> ranges = pipeline.chunks(pipe_rank);
  add_weights(
      parts.config,
      parts.parameters,
      parts.place,
      ranges,
      {.value = parts.types.compute, .gradient = parts.types.gradients});
  std::vector<model::Stack> chunks;
  for (const model::UnitRange& range : ranges) {
    chunks.emplace_back(pipeline.units, range, parts);
  }
  return chunks;
}

// A tied embedding whose units are on two ranks, which both hold it.
std::optional<parallel::Tied> tied_weight(const model::WeightTable& weights,
                                          const nn::ParameterSet& parameters,
                                          const Rank& rank) {
  if (rank.ends() == nullptr) {
    return std::nullopt;
  }
  for (std::size_t w = 0; w < parameters.all().size(); ++w) {
    const nn::Parameter& here = parameters[w];
    if (here.units.size() < weights.at(here.name).units.size()) {
      return parallel::Tied{.weight = static_cast<int>(w),
                            .ranks = rank.ends()};
    }
  }
  return std::nullopt;
}

// Stages may have weights of different groups, so all ranks make all groups.
parallel::RanksOf ranks_of(Rank& rank, const model::WeightTable& weights) {
  for (const model::WeightSpec& spec : weights.all()) {
    rank.group(summed_over(spec.placement));
  }
  return [&rank](mesh::AxisSet axes) -> comm::Communicator& {
    return rank.group(axes);
  };
}

parallel::StoreOptions options_of(parallel::StoreOptions options,
                                  nn::Phase phase,
                                  std::optional<parallel::Tied> tied) {
  options.phase = phase;
  options.tied = tied;
  return options;
}

}  // namespace

RankModel::RankModel(Rank& rank,
                     const model::ModelConfig& config,
                     std::uint64_t seed,
                     nn::Phase phase,
                     parallel::StoreOptions store,
                     Pipeline pipeline,
                     const model::Types& types)
    : config_(config),
      types_(types),
      weights_(config),
      pipeline_(std::move(pipeline)),
      chunks_(make_chunks(pipeline_,
                          rank.group(mesh::kStages).rank(),
                          {.config = config_,
                           .seed = seed,
                           .parameters = parameters_,
                           .place = rank.place(),
                           .types = types})),
      store_(
          rank.stream,
          rank.arena,
          parameters_,
          ranks_of(rank, weights_),
          options_of(store, phase, tied_weight(weights_, parameters_, rank))) {}

RankModel::RankModel(Rank& rank,
                     const model::ModelConfig& config,
                     std::uint64_t seed,
                     nn::Phase phase,
                     parallel::StoreOptions store,
                     const model::Types& types)
    : RankModel(rank,
                config,
                seed,
                phase,
                store,
                forward_pipeline(config, rank.group(mesh::kStages).size()),
                types) {}

const model::Stack& RankModel::stack() const {
  DURE_CHECK(
      chunks_.size() == 1 && chunks_[0].range() == pipeline_.whole_model(),
      "wanted a whole model on one rank, got a stage of one");
  return chunks_[0];
}

}  // namespace dure::train
