// The ranks that hold the same weights, and how they share the keeping of them.
//
// The gradient of a weight is summed over N ranks. They form N / P shard groups
// of P neighbours: the ranks of a shard group keep a P-th of optimizer states,
// gradients and weights each (as the stage says), ranks at the same place in
// different groups keep the same [1]. P = N is ZeRO; P = 1 is plain data
// parallelism, where a "part" is everything.
//
// [1] Zhang et al. 2022, arXiv:2205.00119 (MiCS); PyTorch's HSDP.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "dure/comm/communicator.h"
#include "dure/parallel/replica/bucket_plan.h"

namespace dure::parallel {

struct ReplicaGroups {
  comm::Communicator* all = nullptr;              // N, as they read samples
  std::unique_ptr<comm::Communicator> shard;      // P ranks
  std::unique_ptr<comm::Communicator> gather;     // the same ones: collectives
                                                  // here wait for none there
  std::unique_ptr<comm::Communicator> replicate;  // N / P ranks

  // All N, ordered by their place in the shard group first: rank j of it keeps
  // the j-th N-th of a bucket, so that those of a part's keepers make the part.
  std::unique_ptr<comm::Communicator> exchange;
  // The rank in `exchange` of each rank in the order of the data.
  std::vector<int> by_data;

  int ranks() const { return exchange->size(); }
  PartOf part() const { return {shard->rank(), shard->size()}; }
};

// By Bucket::replicas, this rank's parts.
Parts parts_of(std::span<const ReplicaGroups> groups);

// Collective over `data`, the ranks in the order in which they read samples.
// Throws UsageError where shard_size does not divide their number.
ReplicaGroups make_replica_groups(comm::Communicator& data, int shard_size);

}  // namespace dure::parallel
