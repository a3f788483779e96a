#include "dure/model/flops.h"

#include "dure/mesh/sharding.h"
#include "dure/model/weights.h"

namespace dure::model {

double flops_per_token(const ModelConfig& config, std::int64_t sequence) {
  const ModelConfig c = resolve(config);
  double products = static_cast<double>(c.vocabulary * c.hidden);
  for (const WeightSpec& spec : weights(c)) {
    if (spec.block >= 0 && spec.shape.size() == 2) {
      products += static_cast<double>(mesh::elements(spec.shape));
    }
  }
  const double attention =
      static_cast<double>(c.layers * c.heads * c.head_dim() * (sequence + 1));
  return 6 * products + 6 * attention;
}

}  // namespace dure::model
