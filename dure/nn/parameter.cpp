#include "dure/nn/parameter.h"

#include <algorithm>

#include "dure/base/check.h"
#include "dure/kernels/elementwise.h"

namespace dure::nn {
namespace {

// Each parameter starts on a cache line.
constexpr std::int64_t kAlignment = 16;

std::int64_t aligned(std::int64_t elements) {
  return (elements + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

Parameter& ParameterSet::add(std::string name,
                             const Shape& shape,
                             std::optional<mesh::Sharding> sharding,
                             bool decays) {
  Parameter& parameter = parameters_.emplace_back();
  parameter.name = std::move(name);
  parameter.value = Tensor(nullptr, shape, DType::kF32);
  parameter.gradient = parameter.value;
  parameter.sharding = std::move(sharding);
  parameter.decays = decays;
  return parameter;
}

OwnedTensor ParameterSet::allocate_flat(Arena& arena,
                                        Category category,
                                        Tensor Parameter::*member) {
  std::int64_t total = 0;
  for (const Parameter& parameter : parameters_) {
    total += aligned(parameter.value.elements());
  }
  OwnedTensor flat = arena.tensor({total}, category);
  std::int64_t offset = 0;
  for (Parameter& parameter : parameters_) {
    const std::int64_t n = parameter.value.elements();
    parameter.*member = flat.rows(offset, n).reshaped(parameter.value.shape());
    offset += aligned(n);
  }
  return flat;
}

void ParameterSet::allocate_values(Arena& arena) {
  values_ = allocate_flat(arena, Category::kParameters, &Parameter::value);
}

void ParameterSet::allocate_gradients(Arena& arena) {
  gradients_ = allocate_flat(arena, Category::kGradients, &Parameter::gradient);
}

void ParameterSet::begin_step() {
  for (Parameter& parameter : parameters_) {
    parameter.next_write = kernels::Write::kOverwrite;
  }
}

void ParameterSet::finish_gradients(Stream& stream) {
  for (Parameter& parameter : parameters_) {
    if (parameter.take_write() == kernels::Write::kOverwrite) {
      launch(stream, kernels::Fill{.y = parameter.gradient, .value = 0});
    }
  }
}

Parameter& ParameterSet::operator[](std::string_view name) {
  const auto found = std::find_if(
      parameters_.begin(), parameters_.end(), [&](const Parameter& p) {
        return p.name == name;
      });
  DURE_CHECK(found != parameters_.end(), "the model has no weight ", name);
  return *found;
}

std::int64_t ParameterSet::elements() const {
  std::int64_t sum = 0;
  for (const Parameter& parameter : parameters_) {
    sum += parameter.value.elements();
  }
  return sum;
}

}  // namespace dure::nn
