// Predicts a step before it is run: it runs the real training step on a
// simulated device, which counts memory and moves a clock.
//
// For a pipeline it runs a rank of every stage, each alone, with messages
// arriving when they are wanted, because memory does not depend on time
// (parallel/pipeline/executor.h). replay() puts the times together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dure/comm/sim/plan_cost.h"
#include "dure/config/config.h"
#include "dure/tensor/device.h"
#include "dure/tensor/ledger.h"

namespace dure::plan {

struct MemoryPrediction {
  BytesByCategory peak_bytes{};   // each category's own peak
  std::size_t peak_total = 0;     // of all categories together
  std::size_t high_water = 0;     // of the arena: with the holes between blocks
  std::size_t between_steps = 0;  // what stays allocated
};

// The first rank of each stage of the pipe axis, which holds no less than any
// other rank of the stage.
std::vector<int> first_ranks(const train::Config& config);

// How much of a step is run: as many micro-batches as all peaks need, or all of
// them. The arena's holes depend on their number: with kEnough its high water
// is within a few percent of a whole step's.
enum class MicroBatches : std::uint8_t { kEnough, kAll };

// Runs steps of `config`, which must be resolved (parallel.data is 1 if it is
// auto), as one rank of its world on Device::kSim. Memory is exact, because the
// same code allocates it at the same points of the step, whatever the network
// does. Workspace is that of train.threads threads, or, if that is 0, of as
// many as the caller may have.
MemoryPrediction predict_rank_memory(
    const train::Config& config,
    int rank,
    MicroBatches micro_batches = MicroBatches::kEnough);

// The predictions of first_ranks(), by stage.
std::vector<MemoryPrediction> predict_stage_memory(
    const train::Config& config,
    MicroBatches micro_batches = MicroBatches::kEnough);

// The stage that holds the most at once, and its prediction. The arena of
// another may have more holes, and a higher high water.
int largest_stage(std::span<const MemoryPrediction> stages);
MemoryPrediction predict_memory(const train::Config& config);

// The micro-batches of a rank in a whole step, and in one that has the same
// peaks.
std::int64_t all_micro_batches(const train::Config& config);
std::int64_t enough_micro_batches(const train::Config& config);

// The elements of weights that each rank holds between steps, without the
// padding of buckets.
std::vector<std::int64_t> weights_by_rank(const train::Config& config);

}  // namespace dure::plan
