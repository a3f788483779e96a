// Gradients of one rank, summed over ranks while the backward still runs.
//
// A step is a list of visits, known before it begins: of the units that this
// rank has, in whatever order its schedule goes through micro-batches.
//
// A sum over all ranks begins when its last visit has ended, and each rank ends
// up with that of its part (replica_groups.h): a reduce_scatter within the
// shard group, and an all_reduce of the part across groups.
//
// Storage::kWhole keeps the gradients of all weights, adds those of a step's
// micro-batches up, and reduces a bucket once, when no visit of the step is
// left that writes to it. Storage::kParts keeps only this rank's parts; a
// bucket has memory for each micro-batch, from the first visit that writes to
// it to the end of its reduction, which begins when the micro-batch has no
// visit left that does. Several micro-batches may have theirs at once.
//
// Sums in ranked order (comm::SumOrder) are those of micro-batch 0 of rank 0,
// of rank 1, ..., then micro-batch 1 of rank 0, ...: the order in which the
// samples stand in the global batch. So they are the same, bit for bit, for any
// number of ranks that shares the same micro-batches. They need kParts' way of
// going: summands are exchanged, each rank adds up those of its own elements.
//
// Where gradients are to be of this rank's own samples (kernels::GradientOf),
// nothing is summed over ranks: of kWhole, over shard groups of one rank.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "dure/comm/traced_work.h"
#include "dure/nn/parameter.h"
#include "dure/parallel/replica/bucket_plan.h"
#include "dure/parallel/replica/countdown.h"
#include "dure/parallel/replica/replica_groups.h"
#include "dure/parallel/replica/tied.h"
#include "dure/tensor/arena.h"
#include "dure/tensor/stream.h"

namespace dure::parallel {

class Gradients {
 public:
  enum class Storage : std::uint8_t { kWhole, kParts };

  // Where a rank's tensors are and run; all of it outlives this.
  struct Place {
    Stream& stream;
    Arena& arena;
    const BucketPlan& plan;
    std::span<const ReplicaGroups> groups;  // by Bucket::replicas
    const Parts& parts;                     // this rank's
    nn::ParameterSet& parameters;

    const Bucket& bucket(int b) const { return plan.buckets[b]; }
    const ReplicaGroups& groups_of(int b) const {
      return groups[bucket(b).replicas];
    }
    PartOf part(int b) const { return parts[bucket(b).replicas]; }

    // Weights of a store, and their gradients, are of one type each.
    DType value_type() const { return parameters.all().front().value.dtype(); }
    DType gradient_type() const {
      return parameters.all().front().gradient.dtype();
    }
  };

  // `tied`: of what this rank and another stage hold both (tied.h).
  Gradients(const Place& place,
            Storage storage,
            comm::SumOrder order,  // kRanked: kParts only
            const std::optional<Tied>& tied = std::nullopt,
            kernels::GradientOf of = kernels::GradientOf::kAllRanks);
  ~Gradients();
  Gradients(const Gradients&) = delete;
  Gradients& operator=(const Gradients&) = delete;

  // `visits`: all of the step that is to come, in the order of this rank. Every
  // weight is of a unit that one of them has write its gradients.
  void begin_step(std::span<const nn::Visit> visits);

  // Around a visit that writes gradients.
  void begin(int unit, int micro_batch);
  void end(int unit, int micro_batch);

  // After the last visit: parts hold the sums of the step.
  void finish();

  // This rank's part of a bucket.
  Tensor part(int bucket) const;

 private:
  // kParts: of a bucket and a micro-batch.
  struct Open {
    OwnedTensor memory;
    std::vector<kernels::Write> writes;  // of each weight, the next one
  };
  using Key = std::pair<int, int>;  // bucket, micro-batch

  // A bucket on its way.
  struct Pending {
    int bucket = 0;
    bool is_last = false;  // of the step
    OwnedTensor given;     // kParts: the bucket's memory
    OwnedTensor received;
    comm::TracedWork work;

    // The memory is the work's until that is done.
    void hold();
  };

  void count(std::span<const nn::Visit> visits);
  bool is_given(int bucket) const;
  bool is_taken(int bucket) const;
  void point(int bucket, Tensor memory);
  void open(const Key& key);
  void put_away(const Key& key);
  void ready(const Key& key, int reductions_left);
  void clear_unwritten(int bucket);
  Pending take(const Key& key);
  void start_fast(Pending pending);
  void start_ranked(Pending pending);
  void settle_front();
  void add_ranked(const Pending& pending);
  void across_groups(int bucket);
  void finish_tied();
  const Bucket& bucket_at(int bucket) const { return place_.bucket(bucket); }
  Tensor keeper_part(int bucket) const;
  comm::Counts keeper_counts(int bucket) const;

  Place place_;
  Storage storage_;
  comm::SumOrder order_;
  kernels::GradientOf of_;
  std::optional<TiedRanks> tied_;
  int tied_bucket_ = -1;
  UnitBuckets buckets_;
  OwnedTensor flat_;  // kWhole: of all buckets; kParts: this rank's parts
  std::vector<nn::Visit> visits_;  // of the step
  Countdown countdown_;            // of them
  std::map<Key, Open> open_;
  std::vector<char> is_summed_;   // whether a bucket's parts hold a sum
  std::vector<Pending> pending_;  // the oldest first
  std::vector<comm::TracedWork> across_;
};

}  // namespace dure::parallel
