// Gradients of one rank, summed over ranks while the backward still runs.
//
// A bucket is ready when every unit that uses its weights has gone backward.
// Then its sum over all ranks begins, and each rank ends up with that of its
// part (replica_groups.h): a reduce_scatter within the shard group, and an
// all_reduce of the part across groups.
//
// Storage::kWhole keeps the gradients of all weights, adds those of a step's
// micro-batches up, and communicates after the last one. Storage::kParts keeps
// only this rank's parts; a bucket's memory is there from the time the first of
// its units writes to it until it is reduced, and every micro-batch is.
//
// Sums in ranked order (comm::SumOrder) are those of micro-batch 0 of rank 0,
// of rank 1, ..., then micro-batch 1 of rank 0, ...: the order in which the
// samples stand in the global batch. So they are the same, bit for bit, for any
// number of ranks that shares the same micro-batches. They need kParts' way of
// going: summands are exchanged, each rank adds up those of its own elements.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "dure/comm/traced_work.h"
#include "dure/nn/parameter.h"
#include "dure/parallel/replica/bucket_plan.h"
#include "dure/parallel/replica/replica_groups.h"
#include "dure/tensor/arena.h"
#include "dure/tensor/stream.h"

namespace dure::parallel {

class Gradients {
 public:
  enum class Storage : std::uint8_t { kWhole, kParts };
  enum class Order : std::uint8_t { kFast, kRanked };  // kRanked: kParts only
  enum class MicroBatch : std::uint8_t { kMore, kLast };

  // Where a rank's tensors are and run; all of it outlives this.
  struct Place {
    Stream& stream;
    Arena& arena;
    const BucketPlan& plan;
    ReplicaGroups& groups;
    nn::ParameterSet& parameters;
  };

  Gradients(const Place& place, Storage storage, Order order);
  ~Gradients();
  Gradients(const Gradients&) = delete;
  Gradients& operator=(const Gradients&) = delete;

  void begin_step();
  void begin_micro_batch(MicroBatch micro_batch);

  // Around the backward of a unit.
  void begin(int unit);
  void end(int unit);

  // After the last micro-batch's backward: parts hold the sums of the step.
  void finish();

  // This rank's part of a bucket.
  Tensor part(int bucket) const;

 private:
  // A bucket on its way.
  struct Pending {
    int bucket = 0;
    MicroBatch micro_batch = MicroBatch::kLast;
    OwnedTensor given;  // kParts: the bucket's memory
    OwnedTensor received;
    comm::TracedWork work;
  };

  void point(int bucket, Tensor memory);
  void ready(int bucket);
  void clear_unwritten(int bucket);
  Pending take(int bucket);
  void start_fast(int bucket);
  void start_ranked(int bucket);
  void settle_front();
  void add_ranked(const Pending& pending);
  void across_groups(int bucket);
  Tensor keeper_part(int bucket) const;

  Place place_;
  Storage storage_;
  Order order_;
  OwnedTensor flat_;  // kWhole: of all buckets; kParts: this rank's parts
  std::vector<OwnedTensor> memory_;  // kParts: of buckets being written
  std::vector<int> unready_;         // units that are still to write to each
  std::map<int, std::vector<int>> buckets_of_unit_;
  MicroBatch micro_batch_ = MicroBatch::kLast;
  int micro_batches_ = 0;         // of the step that have begun
  std::vector<Pending> pending_;  // the oldest first
  std::vector<comm::TracedWork> across_;
};

}  // namespace dure::parallel
