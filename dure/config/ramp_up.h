// The size of the global batch over a run, ramped up as Megatron-LM does it.
//
// With train.batch_rampup = [start, increment, samples] there are
// n = (global_batch - start) / increment increments, each after samples / n
// more samples:
//
//   [8, 4, 100], global_batch 16:  8 until 50 samples, 12 until 100, then 16
#pragma once

#include <cstdint>
#include <vector>

#include "dure/config/config.h"

namespace dure::train {

// The size of the batch that follows `consumed` samples.
std::int64_t global_batch_after(std::int64_t consumed,
                                const TrainConfig& train);

// The samples of the whole run. Its length counts increments, not steps.
std::int64_t samples_of_run(const TrainConfig& train);

// The sizes that a run's batches have, ascending.
std::vector<std::int64_t> global_batches(const TrainConfig& train);

// Throws UsageError unless so many data-parallel ranks can share every global
// batch in whole micro-batches, and the ramp-up ends at global_batch.
void validate_batches(const TrainConfig& train, std::int64_t ranks);

}  // namespace dure::train
