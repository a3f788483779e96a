// The loss of a model on a data set.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "dure/data/dataset.h"
#include "dure/train/replica.h"

namespace dure::train {

struct EvaluateOptions {
  std::int64_t samples = 0;  // the first so many of the data set
  std::int64_t micro_batch = 1;
  std::int64_t sequence = 0;
  // Called with the samples done and the mean loss of them, now and then: given
  // on all ranks, or on none.
  std::function<void(std::int64_t, double)> on_progress = nullptr;
  // Asked between micro-batches, and answered alike by all ranks: given on all,
  // or on none.
  std::function<bool()> is_stopped = nullptr;
};

// The mean loss over all target tokens, without dropout. Perplexity is its
// exponential. Nothing where it was stopped before the end.
std::optional<double> evaluate(Rank& rank,
                               const Replica& replica,
                               const data::Dataset& dataset,
                               const EvaluateOptions& options);

}  // namespace dure::train
