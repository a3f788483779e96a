// One configuration on any layout of ranks: all that a layout may not change.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dure/train/trainer.h"
#include "tests/small_run.h"

namespace dure {

struct Layout {
  int pipe = 1;
  int data = 1;
  int tensor = 1;
  bool sequence = false;
  std::int64_t zero = 0;
  parallel::ScheduleKind schedule = parallel::ScheduleKind::k1F1B;
  int chunks = 0;         // 0: what the schedule takes
  int micro_batches = 1;  // on each rank, in a step
  model::Recompute recompute = model::Recompute::kNone;
  train::Sums sums = train::Sums::kRanked;
  std::int64_t zero_group = 0;

  int ranks() const { return pipe * data * tensor; }
};

// "pipe 2 x data 2 x tensor 2, rows cut, zero 1, zb-v, 4 micro-batches".
std::string text(const Layout& layout);

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

// As the layout says, resolved. Gradients are clipped, so that the norm counts.
train::Config configured(train::Config config, const Layout& layout);

// What this rank keeps, into its place in the outcome.
void collect(train::Rank& rank,
             train::Replica& replica,
             ParityOutcome& outcome);

// Samples of a micro-batch are one; a global batch is what the layout's ranks
// read. Ranks are threads; all must say the same losses.
ParityOutcome run_layout(train::Config config, const Layout& layout, int steps);

// Of as many samples a step, on one rank.
Layout alone(const Layout& layout);

// Every bit.
void expect_same(const ParityOutcome& a, const ParityOutcome& b);

// The largest difference: of values relative to those of b, of arrays to the
// largest element of each.
double worst(const std::vector<double>& a, const std::vector<double>& b);
double worst_element(const Arrays& a, const Arrays& b);

}  // namespace dure
