// How tests read and write a store between two steps.
#pragma once

#include <vector>

#include "dure/parallel/data/parameter_store.h"

namespace dure::parallel {

// All that the rank owns. The views hold until the store moves it.
inline std::vector<Shard> shards_of(ParameterStore& store, Wants wants) {
  std::vector<Shard> shards;
  for_each_shard(
      store, wants, [&](const Shard& shard) { shards.push_back(shard); });
  return shards;
}

inline std::vector<Shard> weights_of(ParameterStore& store) {
  return shards_of(store, {.weight = Access::kWrite});
}
inline std::vector<Shard> gradients_of(ParameterStore& store) {
  return shards_of(store, {.gradient = Access::kRead});
}

}  // namespace dure::parallel
