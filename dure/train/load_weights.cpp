#include "dure/train/load_weights.h"

#include <vector>

#include "dure/kernels/elementwise.h"
#include "dure/kernels/transfer.h"
#include "dure/mesh/sharding.h"
#include "dure/model/weights.h"

namespace dure::train {

void load_weights(Rank& rank,
                  Replica& replica,
                  const checkpoint::WeightSource& source) {
  std::vector<float> host;
  for (const model::WeightSpec& spec : model::weights(replica.config())) {
    const Tensor value = replica.parameters()[spec.name].value;
    host.resize(static_cast<std::size_t>(mesh::elements(spec.logical)));
    source.read(spec.name, host);
    if (spec.logical != spec.shape) {
      launch(rank.stream, kernels::Fill{.y = value, .value = 0});
    }
    launch(rank.stream,
           kernels::Upload{.y = value.rows(0, spec.logical[0]),
                           .host = std::as_bytes(std::span(host))});
  }
}

}  // namespace dure::train
