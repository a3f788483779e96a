#include "dure/model/add_weights.h"

#include <algorithm>
#include <utility>

#include "dure/base/check.h"
#include "dure/model/weights.h"

namespace dure::model {
namespace {

Shape to_shape(const mesh::Dims& d) {
  switch (d.size()) {
    case 1:
      return {d[0]};
    case 2:
      return {d[0], d[1]};
    case 3:
      return {d[0], d[1], d[2]};
    default:
      DURE_CHECK(d.size() == 4,
                 "wanted a weight of 1 to 4 dimensions, got one of {}",
                 d.size());
      return {d[0], d[1], d[2], d[3]};
  }
}

// The index of the range that alone uses the weight; the number of ranges if
// several do, or if a rank elsewhere uses it too.
std::size_t group_of(const std::vector<int>& units,
                     std::span<const UnitRange> stretches) {
  for (std::size_t i = 0; i < stretches.size(); ++i) {
    if (std::all_of(units.begin(), units.end(), [&](int unit) {
          return stretches[i].has(unit);
        })) {
      return i;
    }
  }
  return stretches.size();
}

std::vector<int> units_here(const std::vector<int>& units,
                            std::span<const UnitRange> stretches) {
  std::vector<int> here;
  for (const int unit : units) {
    if (std::any_of(
            stretches.begin(), stretches.end(), [&](const UnitRange& stretch) {
              return stretch.has(unit);
            })) {
      here.push_back(unit);
    }
  }
  return here;
}

}  // namespace

void add_weights(const ModelConfig& config,
                 nn::ParameterSet& parameters,
                 const mesh::Place& place,
                 std::span<const UnitRange> stretches,
                 const nn::ParameterTypes& types) {
  for (const WeightSpec& spec :
       weights(config, place.part(mesh::Axis::kTensor).count)) {
    std::vector<int> units = units_here(spec.units, stretches);
    if (units.empty()) {
      continue;
    }
    nn::Parameter& added =
        parameters.add(spec.name,
                       to_shape(local_shape(spec.shape, spec.placement, place)),
                       types,
                       spec.placement,
                       spec.decay == Decay::kYes,
                       std::move(units));
    added.group = static_cast<int>(group_of(spec.units, stretches));
  }
}

}  // namespace dure::model
