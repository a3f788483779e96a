// One configuration on any layout of ranks: all that a layout may not change.
#pragma once

#include <vector>

#include "dure/train/trainer.h"
#include "tests/layout.h"
#include "tests/small_run.h"

namespace dure {

using Arrays = std::vector<std::vector<float>>;

// Weights and gradients are whole, by weight, without the vocabulary's padding;
// gradients are the last step's.
struct ParityOutcome {
  std::vector<double> losses;
  std::vector<double> norms;
  double validation = 0;
  Arrays weights;
  Arrays gradients;
};

// What this rank keeps, into its place in the outcome.
void collect(train::Rank& rank,
             train::Replica& replica,
             ParityOutcome& outcome);

// Ranks are threads; all must say the same losses. Gradients are clipped, so
// that the norm counts.
ParityOutcome run_layout(train::Config config,
                         const Layout& layout,
                         int steps,
                         comm::SumOrder sums = comm::SumOrder::kRanked);

// The same of a configuration that is resolved, and need not be one that a user
// may have; `evaluated` samples at the end.
ParityOutcome run_config(const train::Config& config,
                         int steps,
                         std::int64_t evaluated = 11);

// Of as many samples a step, on one rank.
Layout alone(const Layout& layout);

// Every bit.
void expect_same(const ParityOutcome& a, const ParityOutcome& b);

// The largest difference: of values relative to those of b, of arrays to the
// largest element of each.
double worst(const std::vector<double>& a, const std::vector<double>& b);
double worst_element(const Arrays& a, const Arrays& b);

}  // namespace dure
