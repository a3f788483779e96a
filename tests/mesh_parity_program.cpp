// Compares every layout of up to eight ranks with one rank, and prints a table
// (make parity). Exits with 1 if any is beyond its bound.
//
//   mesh_parity [RANKS [FIRST LAST OF]]
//
// FIRST to LAST count from 0 among OF parts; each part has layouts of all
// meshes.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fmt/core.h>
#include <map>
#include <string>
#include <vector>

#include "dure/base/progress.h"
#include "tests/mesh_grid.h"

namespace dure {
namespace {

constexpr int kSteps = 10;

// The results of all layouts of a mesh.
struct Row {
  int layouts = 0;
  int same_bits = 0;
  double losses = 0;
  double weights = 0;
};

std::string mesh_of(const GridPoint& point) {
  const Layout& layout = point.layout;
  return fmt::format("{} | {} | {} | {}{}",
                     name_of(point.model),
                     layout.pipe,
                     layout.data,
                     layout.tensor,
                     layout.sequence ? " | cut" : " | whole");
}

bool passes(const Distance& distance) {
  return distance.same_bits && distance.losses <= kLossBound &&
         distance.weights <= kWeightBound;
}

struct Parts {
  std::size_t first = 0;
  std::size_t last = 0;
  std::size_t of = 1;
};

std::vector<GridPoint> points_of(int ranks, const Parts& parts) {
  const std::vector<GridPoint> grid = mesh_grid(ranks);
  std::vector<GridPoint> points;
  for (std::size_t i = 0; i < grid.size(); ++i) {
    if (i % parts.of >= parts.first && i % parts.of <= parts.last) {
      points.push_back(grid[i]);
    }
  }
  return points;
}

int run(int ranks, const Parts& parts) {
  const std::vector<GridPoint> points = points_of(ranks, parts);
  GridRunner runner(kSteps);
  std::map<std::string, Row> rows;
  int failures = 0;
  Progress progress("parity", points.size());
  std::uint64_t done = 0;
  for (const GridPoint& point : points) {
    const Distance distance = runner.run(point);
    Row& row = rows[mesh_of(point)];
    ++row.layouts;
    row.same_bits += distance.same_bits ? 1 : 0;
    row.losses = std::max(row.losses, distance.losses);
    row.weights = std::max(row.weights, distance.weights);
    if (!passes(distance)) {
      ++failures;
      std::fprintf(stderr, "\ndiffers: %s\n", text(point).c_str());
    }
    progress.update(++done, fmt::format("{} differ", failures));
  }
  progress.finish(fmt::format("{} differ", failures));
  std::printf(
      "| model | pipe | data | tensor | rows | layouts | same bits | losses | "
      "weights |\n|---|---|---|---|---|---|---|---|---|\n");
  for (const auto& [mesh, row] : rows) {
    std::printf("| %s | %d | %d | %.1e | %.1e |\n",
                mesh.c_str(),
                row.layouts,
                row.same_bits,
                row.losses,
                row.weights);
  }
  std::printf(
      "\n%zu layouts, %d differ\n", static_cast<std::size_t>(done), failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace dure

int main(int argc, char** argv) {
  const auto argument = [&](int i, int otherwise) {
    return argc > i ? std::atoi(argv[i]) : otherwise;
  };
  try {
    return dure::run(argument(1, 8),
                     {.first = static_cast<std::size_t>(argument(2, 0)),
                      .last = static_cast<std::size_t>(argument(3, 0)),
                      .of = static_cast<std::size_t>(argument(4, 1))});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
