#include "tests/drawn_points.h"

#include <fmt/core.h>
#include <iterator>
#include <random>

#include <gtest/gtest.h>

#include "dure/base/random.h"

namespace dure {
namespace {

using train::Compute;
using train::KeptIn;

constexpr int kRanks = 8;

// Numbers in the order in which they are asked for.
class Draws {
 public:
  explicit Draws(std::uint64_t seed) : random_(seed, "parity") {}

  std::size_t below(std::size_t bound) {
    return static_cast<std::size_t>(random_.below(bound, next_++));
  }

  template <typename T>
  T either(T one, T other) {
    return below(2) == 0 ? one : other;
  }

 private:
  RandomStream random_;
  std::uint64_t next_ = 0;
};

train::PrecisionConfig draw_precision(Draws& draws) {
  constexpr Compute kComputes[] = {
      Compute::kFp32, Compute::kBf16, Compute::kFp16};
  train::PrecisionConfig precision;
  precision.compute = kComputes[draws.below(std::size(kComputes))];
  precision.residual = draws.either(KeptIn::kAuto, KeptIn::kFp32);
  precision.gradients = draws.either(KeptIn::kAuto, KeptIn::kCompute);
  precision.reduce = draws.either(KeptIn::kAuto, KeptIn::kCompute);
  const auto master = draws.either(train::Master::kFp32, train::Master::kNone);
  if (precision.compute == Compute::kBf16) {  // the others refuse it
    precision.master = master;
  }
  precision.states =
      draws.either(train::StateType::kFp32, train::StateType::kBf16);
  return with_scale_power(precision);
}

}  // namespace

std::vector<DrawnPoint> draw_points(std::uint64_t seed, std::size_t count) {
  const std::vector<GridPoint> grid = mesh_grid(kRanks);
  Draws draws(seed);
  std::vector<DrawnPoint> points;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t place = draws.below(grid.size());
    GridPoint point = grid[place];
    point.precision = draw_precision(draws);
    points.push_back({.point = point,
                      .command = fmt::format("mesh_parity {} {} {} {} {}",
                                             kRanks,
                                             place,
                                             place,
                                             grid.size(),
                                             text(point.precision))});
  }
  return points;
}

std::uint64_t draw_seed() {
  const auto asked = GTEST_FLAG_GET(random_seed);
  constexpr std::uint32_t kSeeds = 99999;  // the largest that the flag takes
  return asked != 0 ? static_cast<std::uint64_t>(asked)
                    : std::random_device()() % kSeeds + 1;
}

}  // namespace dure
