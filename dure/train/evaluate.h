// The loss of a model on a data set.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "dure/data/dataset.h"
#include "dure/train/rank_model.h"

namespace dure::train {

struct EvaluateOptions {
  std::int64_t samples = 0;  // the number of samples, from the data set's first
  std::int64_t micro_batch = 1;
  std::int64_t sequence = 0;
  // Called now and then with the samples done and their mean loss. Set on all
  // ranks, or on none.
  std::function<void(std::int64_t, double)> on_progress = nullptr;
  // Asked between micro-batches; all ranks must give the same answer. Set on
  // all ranks, or on none.
  std::function<bool()> is_stopped = nullptr;
};

// The mean loss over all target tokens, without dropout. Perplexity is its
// exponential. Nothing if it was stopped before the end.
std::optional<double> evaluate(Rank& rank,
                               const RankModel& rank_model,
                               const data::Dataset& dataset,
                               const EvaluateOptions& options);

}  // namespace dure::train
