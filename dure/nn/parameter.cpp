#include "dure/nn/parameter.h"

#include "dure/base/check.h"

namespace dure::nn {

Parameter& ParameterSet::add(std::string name,
                             const Shape& shape,
                             const ParameterTypes& types,
                             mesh::Placement placement,
                             bool decays,
                             std::vector<int> units) {
  Parameter& parameter = parameters_.emplace_back();
  parameter.name = std::move(name);
  by_name_.emplace(parameter.name, &parameter);
  parameter.value = Tensor(nullptr, shape, types.value);
  parameter.gradient = Tensor(nullptr, shape, types.gradient);
  parameter.placement = std::move(placement);
  parameter.decays = decays;
  parameter.units = std::move(units);
  return parameter;
}

Parameter& ParameterSet::operator[](std::string_view name) {
  const auto found = by_name_.find(name);
  DURE_CHECK(found != by_name_.end(), "the model has no weight {}", name);
  return *found->second;
}

std::int64_t ParameterSet::elements() const {
  std::int64_t sum = 0;
  for (const Parameter& parameter : parameters_) {
    sum += parameter.value.elements();
  }
  return sum;
}

}  // namespace dure::nn
