// Layouts and keys of [precision] at random.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/mesh_grid.h"

namespace dure {

struct DrawnPoint {
  GridPoint point;
  std::string command;  // runs it alone, for more steps
};

// Draws layouts of up to eight ranks, each with a type to compute in and, half
// the time each, another value than its own for every key of a type.
std::vector<DrawnPoint> draw_points(std::uint64_t seed, std::size_t count);

// --gtest_random_seed or, if it is 0, another number in each run.
std::uint64_t draw_seed();

}  // namespace dure
