#include "dure/model/initialize.h"

#include <algorithm>

#include "dure/base/random.h"
#include "dure/kernels/elementwise.h"

namespace dure::model {
namespace {

void fill(Stream& stream, Tensor y, float value) {
  launch(stream, kernels::Fill{.y = y, .value = value});
}

}  // namespace

void initialize(Stream& stream,
                const WeightSpec& spec,
                std::uint64_t seed,
                Tensor value,
                std::int64_t offset) {
  if (spec.init.kind != Init::Kind::kNormal) {
    return fill(stream, value, spec.init.kind == Init::Kind::kOnes ? 1 : 0);
  }
  const std::int64_t n = value.elements();
  const Tensor flat = value.reshaped({n});
  const std::int64_t drawn =
      std::clamp<std::int64_t>(mesh::elements(spec.logical) - offset, 0, n);
  if (drawn > 0) {
    launch(stream,
           kernels::FillNormal{.y = flat.rows(0, drawn).reshaped({1, drawn}),
                               .stream = RandomStream(seed, spec.name),
                               .deviation = static_cast<float>(spec.init.std),
                               .first_column = offset,
                               .columns = mesh::elements(spec.shape),
                               .filled_rows = 1});
  }
  if (drawn < n) {
    fill(stream, flat.rows(drawn, n - drawn), 0);
  }
}

}  // namespace dure::model
