// How many parameters a model has, by its table of weights.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "dure/model/config.h"
#include "dure/model/weights.h"

namespace dure::model {

struct Count {
  std::int64_t published = 0;  // tied weights once, without padding
  std::int64_t padded = 0;     // with the vocabulary's padding
  std::int64_t per_rank = 0;   // held by the rank at `place`
  std::int64_t block = 0;      // of one block
  std::map<WeightKind, std::int64_t> parts = {};  // of `published`
};

Count count(const ModelConfig& config, const mesh::Place& place = {});

// The parameters that the units of a range use, such as a pipeline's stage: the
// rows of a tied head count at the embedding and at the head.
struct StageCount {
  std::int64_t published = 0;  // without padding
  std::int64_t per_rank = 0;   // held by the rank at `place`

  bool operator==(const StageCount&) const = default;
};

std::vector<StageCount> count(const ModelConfig& config,
                              const std::vector<UnitRange>& stages,
                              const mesh::Place& place = {});

// The parameters of each layer, without padding, in the order in which a
// pipeline is cut: the embeddings, each block, then the final norm with the
// head (which a tied model does not own).
std::vector<std::int64_t> parameters_by_layer(const ModelConfig& config);

}  // namespace dure::model
