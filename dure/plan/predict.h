// What a step will take, before it is run: the real training step on a
// simulated device, which counts memory and moves a clock.
//
// Of a pipeline a rank of every stage is run, each alone, as its messages come
// when they are wanted: that is where memory does not depend on time
// (parallel/pipeline/executor.h). Time is put together by replay().
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dure/comm/sim/plan_cost.h"
#include "dure/tensor/device.h"
#include "dure/tensor/ledger.h"
#include "dure/train/config.h"

namespace dure::plan {

struct MemoryPrediction {
  BytesByCategory peak_bytes{};   // each category's own peak
  std::size_t peak_total = 0;     // of all together
  std::size_t high_water = 0;     // of the arena: with the holes between blocks
  std::size_t between_steps = 0;  // what stays
};

// The rank of each stage of the pipe axis that keeps no less than any other of
// the stage: the first of them.
std::vector<int> first_ranks(const train::Config& config);

// How much of a step is run: as many micro-batches as it takes for the peaks of
// all, or all of them. The arena's holes depend on how many there were: with
// kEnough its high water is within a few percent of a whole step's.
enum class MicroBatches : std::uint8_t { kEnough, kAll };

// Runs steps of `config`, which must be resolved (parallel.data is 1 where it
// is auto), as one rank of its world on Device::kSim. Memory is exact, as the
// same code asks for it at the same points of the step, whatever the network
// does. Workspace is that of train.threads, or where that is 0, of as many
// threads as the caller may have.
MemoryPrediction predict_rank_memory(
    const train::Config& config,
    int rank,
    MicroBatches micro_batches = MicroBatches::kEnough);

// Of first_ranks(), by stage.
std::vector<MemoryPrediction> predict_stage_memory(
    const train::Config& config,
    MicroBatches micro_batches = MicroBatches::kEnough);

// The stage that takes the most memory, and that stage's.
int largest_stage(std::span<const MemoryPrediction> stages);
MemoryPrediction predict_memory(const train::Config& config);

// Micro-batches of a rank in a step: in the whole one, and in one that has the
// same peaks.
std::int64_t all_micro_batches(const train::Config& config);
std::int64_t enough_micro_batches(const train::Config& config);

// Elements of weights that each rank holds between steps, those of padding
// buckets excluded.
std::vector<std::int64_t> weights_by_rank(const train::Config& config);

}  // namespace dure::plan
