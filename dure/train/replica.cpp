#include "dure/train/replica.h"

namespace dure::train {
namespace {

parallel::StoreOptions with_purpose(parallel::StoreOptions options,
                                    Purpose purpose) {
  options.gradients = purpose == Purpose::kTrain ? parallel::WithGradients::kYes
                                                 : parallel::WithGradients::kNo;
  return options;
}

}  // namespace

Replica::Replica(Rank& rank,
                 const model::ModelConfig& config,
                 std::uint64_t seed,
                 Purpose purpose,
                 parallel::StoreOptions store)
    : decoder_(config, seed, parameters_, rank.tensor().part()),
      store_(rank.stream,
             rank.arena,
             parameters_,
             rank.data(),
             with_purpose(store, purpose)) {}

}  // namespace dure::train
