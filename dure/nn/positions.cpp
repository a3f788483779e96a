#include "dure/nn/positions.h"

#include <bit>
#include <cmath>

namespace dure::nn {
namespace {

double slope(std::int64_t head, std::int64_t heads) {
  const auto power = static_cast<std::int64_t>(
      std::bit_floor(static_cast<std::uint64_t>(heads)));
  const auto step = 8 / static_cast<double>(power);
  const auto steps = head < power
                         ? static_cast<double>(head + 1)
                         : static_cast<double>(2 * (head - power) + 1) / 2;
  return std::exp2(-step * steps);
}

}  // namespace

std::vector<float> alibi_slopes(std::int64_t heads, mesh::Part part) {
  std::vector<float> slopes;
  for (std::int64_t h = 0; h < heads; ++h) {
    slopes.push_back(
        static_cast<float>(slope(part.index * heads + h, part.count * heads)));
  }
  return slopes;
}

}  // namespace dure::nn
