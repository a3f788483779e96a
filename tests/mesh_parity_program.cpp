// Compares every layout of up to eight ranks with one rank, and prints a table
// (make parity). Exits with 1 if any is beyond its bound.
//
//   mesh_parity [RANKS [FIRST LAST OF]] [precision.KEY=VALUE...]
//
// FIRST to LAST count from 0 among OF parts; each part has layouts of all
// meshes. All of them compute in the types of the settings, or in fp32.

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fmt/core.h>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dure/base/progress.h"
#include "tests/mesh_grid.h"

namespace dure {
namespace {

constexpr int kSteps = 10;

// The results of all layouts of a model with as many tensor ranks.
struct Row {
  std::set<std::pair<int, int>> meshes;  // pipe and data
  int layouts = 0;
  int same_bits = 0;
  std::array<double, train::kQuantities> from_one = {};
};

std::string row_of(const GridPoint& point) {
  const Layout& layout = point.layout;
  return fmt::format("{} | {} | {}",
                     name_of(point.model),
                     layout.tensor,
                     layout.sequence ? "cut" : "whole");
}

void add(Row& row, const Layout& layout, const Distance& distance) {
  row.meshes.emplace(layout.pipe, layout.data);
  ++row.layouts;
  row.same_bits += distance.same_bits ? 1 : 0;
  for (std::size_t q = 0; q < row.from_one.size(); ++q) {
    row.from_one[q] = std::max(row.from_one[q], distance.from_one[q]);
  }
}

void print(const std::map<std::string, Row>& rows) {
  std::string head = "| model | tensor | rows | meshes | layouts | same bits |";
  std::string line = "|---|---|---|---|---|---|";
  for (int q = 0; q < train::kQuantities; ++q) {
    head += fmt::format(" {} |", name_of(static_cast<train::Quantity>(q)));
    line += "---|";
  }
  fmt::print("{}\n{}\n", head, line);
  for (const auto& [name, row] : rows) {
    fmt::print("| {} | {} | {} | {} |",
               name,
               row.meshes.size(),
               row.layouts,
               row.same_bits);
    for (const double difference : row.from_one) {
      fmt::print(" {:.1e} |", difference);
    }
    fmt::print("\n");
  }
}

struct Arguments {
  int ranks = 8;
  std::size_t first = 0;
  std::size_t last = 0;
  std::size_t of = 1;
  train::PrecisionConfig precision;
};

Arguments arguments_of(int argc, char** argv) {
  std::vector<std::string> numbers;
  std::vector<std::string> settings;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const bool is_setting = argument.find('=') != std::string::npos;
    (is_setting ? settings : numbers).push_back(argument);
  }
  const auto number = [&](std::size_t i, int otherwise) {
    return i < numbers.size() ? std::atoi(numbers[i].c_str()) : otherwise;
  };
  return {.ranks = number(0, 8),
          .first = static_cast<std::size_t>(number(1, 0)),
          .last = static_cast<std::size_t>(number(2, 0)),
          .of = static_cast<std::size_t>(number(3, 1)),
          .precision = precision_of(settings)};
}

std::vector<GridPoint> points_of(const Arguments& parts) {
  const std::vector<GridPoint> grid = mesh_grid(parts.ranks, parts.precision);
  std::vector<GridPoint> points;
  for (std::size_t i = 0; i < grid.size(); ++i) {
    if (i % parts.of >= parts.first && i % parts.of <= parts.last) {
      points.push_back(grid[i]);
    }
  }
  return points;
}

int run(const Arguments& arguments) {
  const std::vector<GridPoint> points = points_of(arguments);
  GridRunner runner(kSteps);
  std::map<std::string, Row> rows;
  int failures = 0;
  Progress progress("parity", points.size());
  std::uint64_t done = 0;
  for (const GridPoint& point : points) {
    const Distance distance = runner.run(point);
    add(rows[row_of(point)], point.layout, distance);
    if (!distance.agrees()) {
      ++failures;
      fmt::print(stderr, "\ndiffers: {}\n{}", text(point), text(distance));
    }
    progress.update(++done, fmt::format("{} differ", failures));
  }
  progress.finish(fmt::format("{} differ", failures));
  print(rows);
  fmt::print("\n{}: {} layouts, {} differ\n",
             text(arguments.precision),
             done,
             failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace dure

int main(int argc, char** argv) {
  try {
    return dure::run(dure::arguments_of(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
