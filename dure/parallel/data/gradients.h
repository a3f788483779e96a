// The gradients of one rank, summed over ranks while the backward still runs.
//
// A step is a list of visits to this rank's units, known before it begins. A
// schedule may go through micro-batches in any order.
//
// The sum of a bucket over all ranks begins when its last visit has ended. Each
// rank ends up with the sum of its part (replica_groups.h): by a reduce-scatter
// within the shard group, and an all-reduce of the part across groups.
//
// Storage::kWhole has memory for the gradients of all weights, accumulates
// those of a step's micro-batches, and reduces a bucket once, after the step's
// last visit that writes to it. Storage::kParts has memory for this rank's
// parts only. A bucket has memory for each micro-batch, from the first visit
// that writes to it to the end of its reduction, which begins after the
// micro-batch's last such visit. Several micro-batches may have such memory at
// once.
//
// Sums in ranked order (comm::SumOrder) start with micro-batch 0 of rank 0, of
// rank 1, ..., then micro-batch 1 of rank 0, and so on: the order of the
// samples in the global batch. So they are the same, bit for bit, on any number
// of ranks that share the same micro-batches. They need kParts: summands are
// exchanged, and each rank adds up those of its own elements.
//
// With gradients of this rank's own samples (kernels::GradientOf), nothing is
// summed over ranks. That needs kWhole and shard groups of one rank.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "dure/comm/traced_work.h"
#include "dure/nn/parameter.h"
#include "dure/parallel/data/bucket_plan.h"
#include "dure/parallel/data/countdown.h"
#include "dure/parallel/data/replica_groups.h"
#include "dure/parallel/data/tied.h"
#include "dure/tensor/arena.h"
#include "dure/tensor/stream.h"

namespace dure::parallel {

class Gradients {
 public:
  enum class Storage : std::uint8_t { kWhole, kParts };

  // A rank's tensors, and where they run; all of it outlives this.
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
    mesh::Part part(int b) const { return parts[bucket(b).replicas]; }

    // The weights of a store have one type, and so have their gradients.
    DType value_type() const { return parameters.all().front().value.dtype(); }
    DType gradient_type() const {
      return parameters.all().front().gradient.dtype();
    }
  };

  // `tied` is the weight that this rank and another stage both hold (tied.h).
  Gradients(const Place& place,
            Storage storage,
            comm::SumOrder order,  // kRanked: kParts only
            const std::optional<Tied>& tied = std::nullopt,
            kernels::GradientOf of = kernels::GradientOf::kAllRanks);
  ~Gradients();
  Gradients(const Gradients&) = delete;
  Gradients& operator=(const Gradients&) = delete;

  // `visits` are all visits of the coming step, in this rank's order. For every
  // weight one of them writes gradients.
  void begin_step(std::span<const nn::Visit> visits);

  // Called before and after a visit that writes gradients.
  void begin(int unit, int micro_batch);
  void end(int unit, int micro_batch);

  // Called after the last visit: parts hold the sums of the step.
  void finish();

  // This rank's part of a bucket.
  Tensor part(int bucket) const;

 private:
  // kParts: the memory of a bucket for a micro-batch.
  struct Open {
    OwnedTensor memory;
    std::vector<kernels::Write> writes;  // how to write each weight next
  };
  using Key = std::pair<int, int>;  // bucket, micro-batch

  // A bucket whose reduction is in flight.
  struct Pending {
    int bucket = 0;
    bool is_last = false;  // of the step
    OwnedTensor given;     // kParts: the bucket's memory
    OwnedTensor received;
    comm::TracedWork work;

    // The work holds the memory until it is done.
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
  Countdown countdown_;            // of those visits
  std::map<Key, Open> open_;
  std::vector<char> is_summed_;   // whether a bucket's parts hold a sum
  std::vector<Pending> pending_;  // the oldest first
  std::vector<comm::TracedWork> across_;
};

}  // namespace dure::parallel
