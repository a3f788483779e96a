#include "dure/model/count.h"

#include <algorithm>

#include "dure/mesh/placement.h"
#include "dure/model/stage_split.h"

namespace dure::model {

Count count(const ModelConfig& config, const mesh::Place& place) {
  Count count;
  for (const WeightSpec& spec :
       weights(config, place.part(mesh::Axis::kTensor).count)) {
    const std::int64_t published = mesh::elements(spec.logical);
    count.published += published;
    count.parts[spec.part] += published;
    count.block += spec.block == 0 ? published : 0;
    count.padded += mesh::elements(spec.shape);
    count.per_rank +=
        mesh::elements(local_shape(spec.shape, spec.placement, place));
  }
  return count;
}

std::vector<StageCount> count(const ModelConfig& config,
                              const std::vector<UnitRange>& stages,
                              const mesh::Place& place) {
  std::vector<StageCount> counts(stages.size());
  for (const WeightSpec& spec :
       weights(config, place.part(mesh::Axis::kTensor).count)) {
    for (std::size_t s = 0; s < stages.size(); ++s) {
      const bool used =
          std::any_of(spec.units.begin(), spec.units.end(), [&](int unit) {
            return stages[s].has(unit);
          });
      if (used) {
        counts[s].published += mesh::elements(spec.logical);
        counts[s].per_rank +=
            mesh::elements(local_shape(spec.shape, spec.placement, place));
      }
    }
  }
  return counts;
}

std::vector<std::int64_t> parameters_by_layer(const ModelConfig& config) {
  const std::vector<Layer> layers = split_layers(config);
  std::vector<std::int64_t> parameters(layers.size());
  for (const WeightSpec& spec : weights(config)) {
    parameters[layer_of(layers, spec.units.front())] +=
        mesh::elements(spec.logical);
  }
  return parameters;
}

}  // namespace dure::model
