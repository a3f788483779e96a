#include "dure/train/replica.h"

#include "dure/base/check.h"

namespace dure::train {
namespace {

parallel::StoreOptions with_purpose(parallel::StoreOptions options,
                                    Purpose purpose) {
  options.gradients = purpose == Purpose::kTrain ? parallel::WithGradients::kYes
                                                 : parallel::WithGradients::kNo;
  return options;
}

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

}  // namespace

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
              std::vector{model::all_units(config.layers)}) {}

Replica::Replica(Rank& rank,
                 const model::ModelConfig& config,
                 std::uint64_t seed,
                 Purpose purpose,
                 parallel::StoreOptions store,
                 std::span<const model::UnitRange> chunks)
    : chunks_(
          make_chunks(config, seed, parameters_, rank.tensor().part(), chunks)),
      store_(rank.stream,
             rank.arena,
             parameters_,
             rank.data(),
             with_purpose(store, purpose)) {}

const model::Decoder& Replica::decoder() const {
  DURE_CHECK(chunks_.size() == 1 &&
                 chunks_[0].units() == model::all_units(config().layers),
             "wanted a whole model on one rank, got a stage of one");
  return chunks_[0];
}

}  // namespace dure::train
