// All layouts of up to eight ranks, and the results that each must agree with.
#pragma once

#include <array>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "dure/parity/bounds.h"
#include "tests/parity_run.h"

namespace dure {

enum class GridModel { kGpt, kLlama };
const char* name_of(GridModel model);

struct GridPoint {
  GridModel model = GridModel::kGpt;
  Layout layout;
  train::PrecisionConfig precision = {};
};

// Every pipe x data x tensor of up to `ranks` ranks, with rows whole and cut,
// ZeRO 0 to 3, every schedule with a flush, one and two chunks a rank if it
// takes them, p and 2 p micro-batches, and every kind of recomputation. All
// compute in these types.
std::vector<GridPoint> mesh_grid(int ranks,
                                 const train::PrecisionConfig& precision = {});

// The types of settings such as "precision.compute=bf16"; a dynamic loss scale
// starts at 2^16 unless they say otherwise. Throws UsageError for what is no
// setting of a type.
train::PrecisionConfig precision_of(std::span<const std::string> settings);

// Lets a dynamic loss scale start at 2^16 if its power is automatic.
train::PrecisionConfig with_scale_power(train::PrecisionConfig precision);

// The settings that give these types, with a space between them: compute and
// those that have other values than their own.
std::string text(const train::PrecisionConfig& precision);

// "gpt, pipe 2 x data 2 ..., precision.compute=bf16".
std::string text(const GridPoint& point);

// How far a layout's results are off.
struct Distance {
  // Whether every bit is that of the same tensor ranks alone.
  bool same_bits = false;
  // The differences from one rank, by worst() (parity_run.h), and the bounds of
  // docs/numerics.md. They are of all steps' losses and norms, and of the last
  // one's gradients and weights.
  std::array<double, train::kQuantities> from_one = {};
  train::Bounds bounds = {};

  bool agrees() const;
};

// A line for each quantity that is beyond its bound, and for other bits.
std::string text(const Distance& distance);

// Runs layouts, and caches the results that they are compared with.
class GridRunner {
 public:
  // Two steps at least, so that there are bounds of later ones.
  explicit GridRunner(int steps) : steps_(steps) {}

  Distance run(const GridPoint& point);

 private:
  ParityOutcome outcome_of(const GridPoint& point) const;
  const ParityOutcome& remembered(const GridPoint& point);
  train::Bounds bounds_of(const GridPoint& point, const GridPoint& one) const;

  int steps_;
  std::map<std::string, ParityOutcome> remembered_;
};

}  // namespace dure
