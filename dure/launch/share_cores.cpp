#include "dure/launch/share_cores.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "dure/launch/cores.h"

namespace dure::launch {
namespace {

// More than any machine has; cores beyond it are ignored.
constexpr std::size_t kMostCores = 4096;
constexpr std::size_t kBytes = kMostCores / 8;

using Bits = std::vector<std::uint8_t>;

Bits bits_of(const std::vector<int>& cores) {
  Bits bits(kBytes);
  for (const int core : cores) {
    const auto at = static_cast<std::size_t>(core);
    if (at < kMostCores) {
      bits[at / 8] = static_cast<std::uint8_t>(bits[at / 8] | 1 << at % 8);
    }
  }
  return bits;
}

// The cores of `order` first, in that order, so that processes with the same
// cores list them alike.
std::vector<int> cores_in(const Bits& bits, const std::vector<int>& order) {
  std::vector<int> cores;
  const auto has = [&](int core) {
    const auto at = static_cast<std::size_t>(core);
    return (bits[at / 8] >> at % 8 & 1) != 0;
  };
  std::copy_if(order.begin(), order.end(), std::back_inserter(cores), has);
  for (int core = 0; core < static_cast<int>(kMostCores); ++core) {
    if (has(core) &&
        std::find(cores.begin(), cores.end(), core) == cores.end()) {
      cores.push_back(core);
    }
  }
  return cores;
}

}  // namespace

CoreShare share_of(const std::vector<std::vector<int>>& usable, int place) {
  const std::vector<int>& own = usable[place];
  int sharers = 0;
  int before = 0;
  for (int other = 0; other < static_cast<int>(usable.size()); ++other) {
    if (usable[other] == own) {
      ++sharers;
      before += other < place ? 1 : 0;
    }
  }
  return {.cores = divide_cores(own, sharers)[before], .sharers = sharers};
}

CoreShare share_cores(comm::Communicator& world,
                      const std::vector<int>& nodes) {
  const std::vector<int> own = usable_cores();
  Bits mine = bits_of(own);
  Bits all(kBytes * static_cast<std::size_t>(world.size()));
  Stream host = host_stream();
  world.run(host,
            comm::AllGather{
                .y = Tensor(all.data(), {std::ssize(all)}, DType::kU8),
                .x = Tensor(mine.data(), {std::ssize(mine)}, DType::kU8)});
  const auto node_of = [&](int rank) { return nodes[rank]; };
  std::vector<std::vector<int>> usable;
  int place = 0;
  for (int rank = 0; rank < world.size(); ++rank) {
    if (node_of(rank) != node_of(world.rank())) {
      continue;
    }
    place = rank == world.rank() ? static_cast<int>(usable.size()) : place;
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(kBytes) * rank;
    usable.push_back(cores_in(
        Bits(first, first + static_cast<std::ptrdiff_t>(kBytes)), own));
  }
  return share_of(usable, place);
}

}  // namespace dure::launch
