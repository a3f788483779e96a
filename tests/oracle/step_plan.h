// The communication of a step, and the memory that it takes, known before it
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
// A step of n elements, padding included, moves n in a reduce-scatter and n in
// an all-gather at stages 1 and 2; the all-reduce of stage 0 is both in one.
// Stage 3 gathers twice for a micro-batch, for the forward and for the
// backward, so one micro-batch moves 3 n [1, section 7]. It moves less where a
// bucket is still there when it is read next, where the backward reads no
// values, or where buckets are gathered once a step (Reshard).
//
// [1] Rajbhandari et al. 2020, arXiv:1910.02054.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "dure/comm/collective.h"
#include "dure/nn/parameter.h"
#include "dure/parallel/data/bucket_plan.h"
#include "dure/parallel/data/gathered_parameters.h"

namespace dure::parallel {

// A bucket that a pipeline's first and last stage both have (tied.h).
enum class TiedStage : std::uint8_t { kFirst, kLast };
struct TiedBucket {
  int bucket = 0;
  TiedStage stage = TiedStage::kFirst;
};

struct StepOf {
  int stage = 0;
  int shard_size = 1;  // P
  int prefetch = 1;
  Reshard gather = Reshard::kAfterUse;
  comm::SumOrder order = comm::SumOrder::kFast;
  std::optional<TiedBucket> tied = std::nullopt;
  DType values = DType::kF32;
  DType gradients = DType::kF32;  // as they are written and as they travel
};

// Elements that each rank gives or gets in the collectives of a kind, whichever
// is more, as comm::Traffic counts.
struct StepElements {
  std::int64_t reduce_scatter = 0;   // in the shard group
  std::int64_t all_gather = 0;       // of values, in the shard group
  std::int64_t all_reduce = 0;       // across groups
  std::int64_t all_to_all = 0;       // ranked: of all ranks
  std::int64_t all_gather_sums = 0;  // ranked: across groups
  std::int64_t all_reduce_tied = 0;  // of the two stages
  std::int64_t tied_messages = 0;    // ranked: between the two stages

  // The published count: an all-reduce is a reduce-scatter and an all-gather.
  std::int64_t moved() const {
    return reduce_scatter + all_gather + 2 * (all_reduce + all_reduce_tied) +
           all_to_all + all_gather_sums + tied_messages;
  }
};

struct StepPlan {
  // The peak of Category::kCommunication if no bucket arrives before it is
  // waited for: no run holds more.
  std::int64_t peak_bytes = 0;
  StepElements elements;
};

// `visits` are those of ParameterStore::begin_step. The plan's parts are the
// ranks; shard_size divides them.
StepPlan plan_step(const BucketPlan& plan,
                   const StepOf& step,
                   std::span<const nn::Visit> visits);

}  // namespace dure::parallel
