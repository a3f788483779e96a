#include "examples/data_parallel/flat_home.h"

#include "dure/base/arithmetic.h"
#include "dure/kernels/elementwise.h"

namespace dure::data_parallel {
namespace {

constexpr std::int64_t kAlignment = 16;  // elements: a cache line

}  // namespace

std::int64_t FlatStorage::elements_of(const nn::ParameterSet& parameters) {
  std::int64_t sum = 0;
  for (const nn::Parameter& parameter : parameters.all()) {
    sum += round_up(parameter.value.elements(), kAlignment);
  }
  return sum;
}

FlatStorage::FlatStorage(Stream& stream,
                         Arena& arena,
                         nn::ParameterSet& parameters)
    : parameters_(parameters),
      values_(arena.tensor(
          {elements_of(parameters)}, Category::kParameters, DType::kF32)),
      gradients_(arena.tensor(
          {elements_of(parameters)}, Category::kGradients, DType::kF32)) {
  launch(stream, kernels::Fill{.y = values_, .value = 0});
  launch(stream, kernels::Fill{.y = gradients_, .value = 0});
  std::int64_t offset = 0;
  for (nn::Parameter& parameter : parameters.all()) {
    const Shape shape = parameter.value.shape();
    const std::int64_t length = parameter.value.elements();
    parameter.value = values_.rows(offset, length).reshaped(shape);
    parameter.gradient = gradients_.rows(offset, length).reshaped(shape);
    offset += round_up(length, kAlignment);
  }
  parameters.set_storage(*this);
}

void FlatStorage::begin_step() {
  for (nn::Parameter& parameter : parameters_.all()) {
    parameter.next_write = kernels::Write::kOverwrite;
  }
}

}  // namespace dure::data_parallel
