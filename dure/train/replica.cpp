#include "dure/train/replica.h"

namespace dure::train {

Replica::Replica(Rank& rank,
                 const model::ModelConfig& config,
                 std::uint64_t seed,
                 Purpose purpose)
    : decoder_(config, seed, parameters_) {
  parameters_.allocate_values(rank.arena);
  if (purpose == Purpose::kTrain) {
    parameters_.allocate_gradients(rank.arena);
  }
}

}  // namespace dure::train
