// What a step communicates, and the memory that this takes: known before it
// runs.
//
// Beside the model's state (memory.h) a rank holds, by name:
//
//   gradients   at stages 2 and 3, or with ranked sums: the buckets that are
//               being written, and at most two on their way, each with what it
//               is received into
//   tied        with ranked sums, on the last stage of a pipeline: what it has
//               given the first of a tied weight's gradient (tied.h)
//   values      at stage 3: the buckets of the visit that reads them now, and
//               of the `prefetch` ones after it that do; once a step: of all
//               that have been read and will be again
//
// A step of n elements, padding included, moves n in a reduce_scatter and n in
// an all_gather at stages 1 and 2; the all_reduce of stage 0 is both in one.
// Stage 3 gathers twice a micro-batch, for the forward and for the backward: 3
// n of one [1, section 7], less what need not be gathered again, as a bucket is
// still there when it is read next, or the backward reads no values; or once a
// step (Gather).
//
// [1] Rajbhandari et al. 2020, arXiv:1910.02054.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "dure/nn/parameter.h"
#include "dure/parallel/replica/bucket_plan.h"
#include "dure/parallel/replica/gradients.h"
#include "dure/parallel/zero/values.h"

namespace dure::parallel {

// A bucket that the first stage of a pipeline and the last both have (tied.h).
enum class TiedStage : std::uint8_t { kFirst, kLast };
struct TiedBucket {
  int bucket = 0;
  TiedStage stage = TiedStage::kFirst;
};

struct StepOf {
  int stage = 0;
  int shard_size = 1;  // P
  int prefetch = 1;
  Gather gather = Gather::kEachUse;
  comm::SumOrder order = comm::SumOrder::kFast;
  std::optional<TiedBucket> tied = std::nullopt;
  DType values = DType::kF32;
  DType gradients = DType::kF32;  // as they are written and as they travel
};

// Elements that each rank gives or gets in collectives of the kind, the larger
// of the two, as comm::Traffic counts.
struct StepElements {
  std::int64_t reduce_scatter = 0;   // in the shard group
  std::int64_t all_gather = 0;       // of values, in the shard group
  std::int64_t all_reduce = 0;       // across groups
  std::int64_t all_to_all = 0;       // ranked: of all ranks
  std::int64_t all_gather_sums = 0;  // ranked: across groups
  std::int64_t all_reduce_tied = 0;  // of the two stages
  std::int64_t tied_messages = 0;    // ranked: between the two stages

  // As published: an all_reduce is a reduce_scatter and an all_gather.
  std::int64_t moved() const {
    return reduce_scatter + all_gather + 2 * (all_reduce + all_reduce_tied) +
           all_to_all + all_gather_sums + tied_messages;
  }
};

struct StepPlan {
  // Of Category::kCommunication, where no bucket arrives before it is waited
  // for: no run holds more.
  std::int64_t peak_bytes = 0;
  StepElements elements;
};

// Of what ParameterStore::begin_step is told. The plan's parts are the ranks;
// shard_size divides them.
StepPlan plan_step(const BucketPlan& plan,
                   const StepOf& step,
                   std::span<const nn::Visit> visits);

}  // namespace dure::parallel
