#include "dure/parallel/data/replica_groups.h"

#include "dure/base/check.h"
#include "dure/comm/groups.h"

namespace dure::parallel {
namespace {

// So many groups of so many ranks, each `stride` after the one before.
std::vector<std::vector<int>> strided(int groups,
                                      int ranks,
                                      int group_stride,
                                      int stride) {
  std::vector<std::vector<int>> all;
  for (int g = 0; g < groups; ++g) {
    std::vector<int>& members = all.emplace_back();
    for (int i = 0; i < ranks; ++i) {
      members.push_back(g * group_stride + i * stride);
    }
  }
  return all;
}

}  // namespace

Parts parts_of(std::span<const ReplicaGroups> groups) {
  Parts parts;
  for (const ReplicaGroups& ranks : groups) {
    parts.push_back(ranks.part());
  }
  return parts;
}

ReplicaGroups make_replica_groups(comm::Communicator& data, int shard_size) {
  const int N = data.size();
  const int P = shard_size;
  if (P < 1 || N % P != 0) {
    throw UsageError(
        "parallel.zero_group: wanted a divisor of the {} "
        "data-parallel ranks, got {}",
        N,
        P);
  }
  const int R = N / P;
  ReplicaGroups groups;
  groups.all = &data;
  groups.shard = my_group(data, strided(R, P, P, 1), "data shard");
  groups.gather = my_group(data, strided(R, P, P, 1), "data shard");
  groups.replicate = my_group(data, strided(P, R, 1, P), "data replicate");
  std::vector<int> order;
  groups.by_sample.resize(static_cast<std::size_t>(N));
  for (int p = 0; p < P; ++p) {
    for (int r = 0; r < R; ++r) {
      const int rank = r * P + p;
      groups.by_sample[rank] = static_cast<int>(order.size());
      order.push_back(rank);
    }
  }
  groups.all_to_all = data.subgroup(order, "data");
  return groups;
}

}  // namespace dure::parallel
