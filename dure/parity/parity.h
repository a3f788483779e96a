// A layout's training beside that of another layout, or of one rank, step by
// step: losses, norms, every gradient and every weight.
//
// All ranks of both are threads of this process. After each step the ranks of
// the layout read the reference's weights and gradients where they are.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dure/base/log.h"
#include "dure/comm/communicator.h"
#include "dure/config/config.h"
#include "dure/data/dataset.h"
#include "dure/parity/bounds.h"

namespace dure::train {

// A difference of a gradient or a weight is at `element` of the whole,
// row-major, which has this `index`. `weight` is empty for a difference of a
// single number.
struct ParityDifference {
  std::int64_t step = 0;
  Quantity quantity = Quantity::kLoss;
  std::string weight = {};
  std::int64_t element = -1;
  std::vector<std::int64_t> index = {};
  double here = 0;
  double reference = 0;
  double scale = 0;          // what the bound is relative to
  bool is_of_terms = false;  // that is that of terms that cancel (gain_scale.h)
  double bound = 0;          // parity_bounds.h
  int rank = 0;              // of the layout, that has it
};

// One sentence: what differs where, both values, by how much, and the bound.
std::string describe(const ParityDifference& difference);

// A step of both. Differences are relative, as bounds are.
struct ParityStep {
  std::int64_t step = 0;
  double loss = 0;  // the layout's
  double norm = 0;
  double reference_loss = 0;
  double reference_norm = 0;
  double loss_difference = 0;  // of the rank that is the farthest
  double norm_difference = 0;
  // Where the step's gradients and weights were compared: without a flush those
  // of the last step of a segment are (segment.h).
  bool has_elements = false;
  double gradient_difference = 0;  // the worst of all
  double weight_difference = 0;
  std::string worst_gradient = {};  // whose; empty: none differs
  std::string worst_weight = {};
};

struct ParityReport {
  ParityRule rule = {};
  std::vector<ParityStep> steps = {};  // up to the first difference
  std::int64_t weights = 0;            // compared after each step
  std::int64_t elements = 0;           // of them
  double evaluation = 0;               // after the last step
  double reference_evaluation = 0;
  std::optional<ParityDifference> difference = {};  // beyond a bound
};

struct ParityOptions {
  // Resolved and valid, of known ranks; expect_comparable() holds
  // (parity_configs.h).
  Config layout;
  Config reference;
  const data::Dataset* dataset = nullptr;
  std::int64_t steps = 3;
  comm::Options comm = {};
  Log log = {};
  // Called on one rank, in the order of the steps.
  std::function<void(const ParityStep&)> on_step = {};
  // launch::RankThreads calls it.
  std::function<void(const std::string&)> on_stuck = {};
  // Tests put a communicator of their own around a rank's world, of the layout
  // alone. Null, and not called: the world itself.
  std::function<std::unique_ptr<comm::Communicator>(comm::Communicator&)> wrap =
      {};
};

// Trains both from their first step, and stops after the first step that has a
// difference. Throws Error where a rank of either fails, and where ranks that
// should hold the same do not (check_replicas.h).
ParityReport run_parity(const ParityOptions& options);

}  // namespace dure::train
