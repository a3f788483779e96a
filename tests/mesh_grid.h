// All layouts of up to eight ranks, and the results that each must agree with.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/parity_run.h"

namespace dure {

enum class GridModel { kGpt, kLlama };
const char* name_of(GridModel model);

struct GridPoint {
  GridModel model = GridModel::kGpt;
  Layout layout;
};

// Every pipe x data x tensor of up to `ranks` ranks, with rows whole and cut,
// ZeRO 0 to 3, every schedule with a flush, one and two chunks a rank if it
// takes them, p and 2 p micro-batches, and every kind of recomputation.
std::vector<GridPoint> mesh_grid(int ranks);

// "gpt, pipe 2 x data 2 ...".
std::string text(const GridPoint& point);

// How far a layout's results are off.
struct Distance {
  // Whether every bit is that of the same tensor ranks alone.
  bool same_bits = false;
  // The difference from one rank, by worst() (parity_run.h).
  double losses = 0;
  double weights = 0;
};

// The bound of the difference between a layout's losses and weights and one
// rank's, if tensor ranks add up products (docs/numerics.md).
inline constexpr double kLossBound = 1e-6;
inline constexpr double kWeightBound = 1e-5;

// Runs layouts, and caches the results that they are compared with.
class GridRunner {
 public:
  explicit GridRunner(int steps) : steps_(steps) {}

  Distance run(const GridPoint& point);

 private:
  ParityOutcome outcome_of(const GridPoint& point) const;
  const ParityOutcome& remembered(const GridPoint& point);

  int steps_;
  std::map<std::string, ParityOutcome> remembered_;
};

}  // namespace dure
