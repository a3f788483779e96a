// The loss of a model on a data set.
#pragma once

#include <cstdint>
#include <functional>

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
};

// The mean loss over all target tokens, without dropout. Perplexity is its
// exponential.
double evaluate(Rank& rank,
                const Replica& replica,
                const data::Dataset& dataset,
                const EvaluateOptions& options);

}  // namespace dure::train
