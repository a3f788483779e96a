#include "dure/model/flops.h"

#include <numeric>

#include "dure/mesh/placement.h"
#include "dure/model/layer_factories.h"
#include "dure/model/stage_split.h"
#include "dure/model/weights.h"

namespace dure::model {

std::vector<double> flops_by_layer(const ModelConfig& config,
                                   std::int64_t sequence) {
  const ModelConfig c = resolve(config);
  const double keys =
      kernels::pairs(attention_pattern(c), {sequence, sequence}) /
      static_cast<double>(sequence);
  const double attention =
      12 * static_cast<double>(c.heads * c.head_dim()) * keys;
  const std::vector<Layer> layers = split_layers(c);
  std::vector<double> flops(layers.size());
  for (std::size_t i = 0; i < layers.size(); ++i) {
    flops[i] = layers[i].type == "block" ? attention : 0;
  }
  flops.back() = 6 * static_cast<double>(c.vocabulary * c.hidden);
  for (const WeightSpec& spec : weights(c)) {
    if (spec.block >= 0 && spec.shape.size() == 2) {
      flops[layer_of(layers, spec.units.front())] +=
          6 * static_cast<double>(mesh::elements(spec.shape));
    }
  }
  return flops;
}

double flops_per_token(const ModelConfig& config, std::int64_t sequence) {
  const std::vector<double> layers = flops_by_layer(config, sequence);
  return std::accumulate(layers.begin(), layers.end(), 0.0);
}

}  // namespace dure::model
