#include "dure/mesh/sharding.h"

#include <functional>
#include <numeric>
#include <span>

#include "dure/base/check.h"

namespace dure::mesh {
namespace {

std::int64_t product(std::span<const std::int64_t> dims) {
  return std::accumulate(
      dims.begin(), dims.end(), std::int64_t{1}, std::multiplies<>());
}

// The sections of the cut dim; the whole dim where none are named.
Dims sections_of(const Dims& shape, const Sharding& sharding) {
  const auto dim = static_cast<std::size_t>(sharding.dim);
  DURE_CHECK(dim < shape.size(),
             "a tensor of ",
             shape.size(),
             " dimensions can't be cut along dimension ",
             dim);
  if (sharding.sections.empty()) {
    return {shape[dim]};
  }
  const std::int64_t sum = std::accumulate(
      sharding.sections.begin(), sharding.sections.end(), std::int64_t{0});
  DURE_CHECK(sum == shape[dim],
             "the sections of a dimension of ",
             shape[dim],
             " sum to ",
             sum);
  return sharding.sections;
}

void check_divides(const Dims& sections, std::int64_t count) {
  DURE_CHECK(count >= 1, "a tensor is cut into 1 or more parts, not ", count);
  for (const std::int64_t section : sections) {
    DURE_CHECK(section % count == 0,
               "a dimension of ",
               section,
               " does not divide into ",
               count,
               " equal parts");
  }
}

}  // namespace

std::int64_t elements(const Dims& shape) {
  return product(shape);
}

Dims local_shape(const Dims& shape,
                 const std::optional<Sharding>& sharding,
                 std::int64_t count) {
  if (!sharding) {
    return shape;
  }
  check_divides(sections_of(shape, *sharding), count);
  Dims local = shape;
  local[static_cast<std::size_t>(sharding->dim)] /= count;
  return local;
}

std::vector<Stretch> stretches(const Dims& shape,
                               const std::optional<Sharding>& sharding,
                               Part part) {
  if (!sharding) {
    return {{.local = 0, .global = 0, .length = elements(shape)}};
  }
  const Dims sections = sections_of(shape, *sharding);
  check_divides(sections, part.count);
  const auto dim = static_cast<std::size_t>(sharding->dim);
  const std::int64_t outer = product(std::span(shape).first(dim));
  const std::int64_t inner = product(std::span(shape).subspan(dim + 1));
  std::vector<Stretch> result;
  std::int64_t local = 0;
  std::int64_t section_start = 0;  // in elements of the whole tensor
  for (std::int64_t row = 0; row < outer; ++row) {
    for (const std::int64_t section : sections) {
      const std::int64_t length = section / part.count * inner;
      result.push_back({.local = local,
                        .global = section_start + part.index * length,
                        .length = length});
      local += length;
      section_start += section * inner;
    }
  }
  return result;
}

}  // namespace dure::mesh
