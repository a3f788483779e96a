// All layouts of up to eight ranks, and what each is to agree with.
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
// ZeRO 0 to 3, every schedule that flushes, one and two chunks a rank where it
// takes them, p and 2 p micro-batches, and every way of recomputing.
std::vector<GridPoint> mesh_grid(int ranks);

// "gpt, pipe 2 x data 2 ...".
std::string text(const GridPoint& point);

// How far a layout is from where it should be.
struct Distance {
  // Whether every bit is that of the same tensor ranks alone.
  bool same_bits = false;
  // From one rank, by worst() (parity_run.h).
  double losses = 0;
  double weights = 0;
};

// Losses and weights of a layout may differ from one rank's by this where
// tensor ranks add up products (docs/numerics.md).
inline constexpr double kLossBound = 1e-6;
inline constexpr double kWeightBound = 1e-5;

// Runs layouts, and remembers what they are compared with.
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
