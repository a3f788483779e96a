// Runs one configuration on any layout of ranks: all that a layout may not
// change.
#pragma once

#include <optional>
#include <vector>

#include "dure/train/trainer.h"
#include "tests/layout.h"
#include "tests/small_run.h"

namespace dure {

using Arrays = std::vector<std::vector<float>>;

// The results. Weights and gradients are whole, by weight, without the
// vocabulary's padding; gradients are the last step's.
struct ParityOutcome {
  std::vector<double> losses;
  std::vector<double> norms;
  double validation = 0;
  // They are absent for steps whose gradients were not counted.
  std::vector<std::optional<train::GradientExponents>> exponents;
  Arrays weights;
  Arrays gradients;
};

// Puts this rank's shards into their places in the outcome.
void collect(train::Rank& rank,
             train::RankModel& rank_model,
             ParityOutcome& outcome);

// The configuration that run_layout() trains, resolved. Gradients are clipped,
// so that the norm counts, and every second step counts them by exponent.
train::Config layout_config(train::Config config,
                            const Layout& layout,
                            comm::SumOrder sums = comm::SumOrder::kRanked);

// Trains with ranks as threads, which must all report the same losses.
ParityOutcome run_layout(train::Config config,
                         const Layout& layout,
                         int steps,
                         comm::SumOrder sums = comm::SumOrder::kRanked);

// Does this for a resolved configuration, which need not be valid for a user;
// evaluates `evaluated` samples at the end.
ParityOutcome run_config(const train::Config& config,
                         int steps,
                         std::int64_t evaluated = 11);

// The run with as many samples a step on one rank.
Layout alone(const Layout& layout);

// Whether every bit is equal; expect_same() says which are not.
bool is_same(const ParityOutcome& a, const ParityOutcome& b);
void expect_same(const ParityOutcome& a, const ParityOutcome& b);

// The largest difference: for values relative to those of b, for arrays to the
// largest element of each.
double worst(const std::vector<double>& a, const std::vector<double>& b);
double worst_element(const Arrays& a, const Arrays& b);

}  // namespace dure
