// The ranks that hold the same weights, and how they shard them.
//
// The gradient of a weight is summed over N ranks. They form N / P shard groups
// of P neighbours. The ranks of a shard group each own a P-th of optimizer
// states, gradients and weights (depending on the stage); ranks at the same
// place in different groups own the same P-th [1]. P = N is ZeRO; P = 1 is
// plain data parallelism, where a "part" is everything.
//
// [1] Zhang et al. 2022, arXiv:2205.00119 (MiCS); PyTorch's HSDP.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "dure/comm/communicator.h"
#include "dure/parallel/data/bucket_plan.h"

namespace dure::parallel {

struct ReplicaGroups {
  comm::Communicator* all = nullptr;              // N, in the order of samples
  std::unique_ptr<comm::Communicator> shard;      // P ranks
  std::unique_ptr<comm::Communicator> gather;     // as shard, with its own
                                                  // lane of collectives
  std::unique_ptr<comm::Communicator> replicate;  // N / P ranks

  // All N ranks, ordered by their place in the shard group first. Rank j sums
  // the j-th N-th of a bucket. So the N-ths of the ranks that own a part are
  // neighbours and make up that part.
  std::unique_ptr<comm::Communicator> all_to_all;
  // For each rank in the order of samples: its rank in `all_to_all`.
  std::vector<int> by_sample;

  int ranks() const { return all_to_all->size(); }
  mesh::Part part() const { return {shard->rank(), shard->size()}; }
};

// This rank's parts, by Bucket::replicas.
Parts parts_of(std::span<const ReplicaGroups> groups);

// Collective over `data`, the ranks in the order in which they read samples.
// Throws UsageError if shard_size does not divide their number.
ReplicaGroups make_replica_groups(comm::Communicator& data, int shard_size);

}  // namespace dure::parallel
