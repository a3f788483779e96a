// How gradients become sums over ranks and micro-batches.
//
// Each rank ends up with the sum of its part of every bucket
// (replica_groups.h). A bucket is reduced in the background, while the backward
// goes on.
#pragma once

#include <compare>
#include <memory>

#include "dure/parallel/data/countdown.h"
#include "dure/parallel/data/store_place.h"

namespace dure::parallel {

class PartsReducer;

// The gradients that a micro-batch adds to a bucket. If a bucket is reduced
// once a step, micro-batches accumulate, and the last one stands for all.
struct Summand {
  int bucket = 0;
  int micro_batch = 0;
  auto operator<=>(const Summand&) const = default;  // NOLINT
};

class GradientReducer {
 public:
  GradientReducer() = default;
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;
  virtual ~GradientReducer() = default;

  virtual ReduceEvery every() const = 0;

  virtual void begin_step() = 0;

  // Called before a visit that writes to the summand: the weights' gradients
  // have memory, and each knows its next write.
  virtual void open(Summand summand) = 0;
  // Called after the visit, if more of them will write to the summand.
  virtual void close(Summand summand) = 0;
  // Called after the last of them: starts to reduce the bucket, which will be
  // reduced `left` times more in this step.
  virtual void reduce(Summand summand, int left) = 0;

  // Called after the last visit: parts hold the sums of the step.
  virtual void finish() = 0;

  // This rank's part of a bucket.
  virtual Tensor part(int bucket) const = 0;
};

// Fast sums (comm::SumOrder::kFast): a reduce-scatter within the shard group,
// and at the end of a step an all-reduce of the part across groups.
//
// SumWhole has memory for the gradients of all weights, in which those of a
// step's micro-batches accumulate, and reduces a bucket once. SumParts has
// memory for this rank's parts only, and reduces every summand. LocalWhole sums
// over this rank's micro-batches alone (kernels::GradientOf::kThisRank); shard
// groups have one rank.
std::unique_ptr<GradientReducer> make_sum_whole(const StorePlace& place);
std::unique_ptr<GradientReducer> make_sum_parts(const StorePlace& place);
std::unique_ptr<GradientReducer> make_local_whole(const StorePlace& place);

// Sums in ranked order (comm::SumOrder::kRanked) start with micro-batch 0 of
// rank 0, of rank 1, ..., then micro-batch 1 of rank 0, and so on: the order of
// the samples in the global batch. So they are the same, bit for bit, on any
// number of ranks that share the same micro-batches. Summands are exchanged in
// an all-to-all, and each rank adds up those of its own elements: a summand is
// rounded to the type in which it is sent, on one rank as on many, and every
// sum to the type of gradients.
std::unique_ptr<PartsReducer> make_ranked_parts(const StorePlace& place);

}  // namespace dure::parallel
