#include "dure/model/initialize.h"

#include "dure/base/random.h"
#include "dure/kernels/elementwise.h"
#include "dure/model/weights.h"

namespace dure::model {
namespace {

void fill_normal(Stream& stream,
                 const WeightSpec& spec,
                 std::uint64_t seed,
                 Tensor value) {
  launch(stream,
         kernels::FillNormal{.y = value,
                             .stream = RandomStream(seed, spec.name),
                             .deviation = static_cast<float>(spec.init.std),
                             .columns = spec.shape[1],
                             .filled_rows = spec.logical[0]});
}

}  // namespace

void initialize(Stream& stream,
                const ModelConfig& config,
                std::uint64_t seed,
                nn::ParameterSet& parameters) {
  for (const WeightSpec& spec : weights(config)) {
    const Tensor value = parameters[spec.name].value;
    if (spec.init.kind == Init::Kind::kNormal) {
      fill_normal(stream, spec, seed, value);
    } else {
      const float constant = spec.init.kind == Init::Kind::kOnes ? 1 : 0;
      launch(stream, kernels::Fill{.y = value, .value = constant});
    }
  }
}

}  // namespace dure::model
