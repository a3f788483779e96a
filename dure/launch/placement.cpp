#include "dure/launch/placement.h"

#include <algorithm>
#include <cstdint>
#include <fmt/core.h>

#include "dure/base/process.h"
#include "dure/mesh/topology.h"

namespace dure::launch {
namespace {

// Longer names are cut; POSIX limits a host's name to 255 characters.
constexpr std::size_t kName = 256;

struct Host {
  std::string name;
  std::vector<int> ranks;
};

// The hosts, in the order of their first ranks.
std::vector<Host> distinct(const std::vector<std::string>& names) {
  std::vector<Host> hosts;
  for (std::size_t rank = 0; rank < names.size(); ++rank) {
    auto found = std::find_if(hosts.begin(), hosts.end(), [&](const Host& h) {
      return h.name == names[rank];
    });
    if (found == hosts.end()) {
      found = hosts.insert(hosts.end(), Host{names[rank], {}});
    }
    found->ranks.push_back(static_cast<int>(rank));
  }
  return hosts;
}

// "0-3 6": ranges of ascending numbers.
std::string stretches_of(const std::vector<int>& ranks) {
  std::string text;
  for (std::size_t i = 0; i < ranks.size();) {
    std::size_t last = i;
    while (last + 1 < ranks.size() && ranks[last + 1] == ranks[last] + 1) {
      ++last;
    }
    text += fmt::format(" {}", ranks[i]);
    if (last > i) {
      text += fmt::format("-{}", ranks[last]);
    }
    i = last + 1;
  }
  return text;
}

}  // namespace

std::vector<std::string> hosts_of(comm::Communicator& comm,
                                  const std::string& host) {
  std::vector<std::uint8_t> mine(kName);
  std::copy_n(host.begin(), std::min(host.size(), kName - 1), mine.begin());
  std::vector<std::uint8_t> all(kName * static_cast<std::size_t>(comm.size()));
  Stream stream = host_stream();
  comm.run(stream,
           comm::AllGather{
               .y = Tensor(all.data(), {std::ssize(all)}, DType::kU8),
               .x = Tensor(mine.data(), {std::ssize(mine)}, DType::kU8)});
  std::vector<std::string> names;
  for (std::size_t at = 0; at < all.size(); at += kName) {
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(at);
    names.emplace_back(first, std::find(first, first + kName, 0));
  }
  return names;
}

std::vector<std::string> hosts_of(comm::Communicator& comm) {
  const std::string name = host_name();
  return comm.is_one_process()
             ? std::vector<std::string>(static_cast<std::size_t>(comm.size()),
                                        name)
             : hosts_of(comm, name);
}

bool is_one_host(const std::vector<std::string>& hosts) {
  return distinct(hosts).size() <= 1;
}

std::string describe_hosts(const std::vector<std::string>& hosts) {
  const std::vector<Host> found = distinct(hosts);
  std::string text = fmt::format("{}{} on {}{}",
                                 hosts.size(),
                                 hosts.size() == 1 ? " rank" : " ranks",
                                 found.size(),
                                 found.size() == 1 ? " host:" : " hosts:");
  for (std::size_t i = 0; i < found.size(); ++i) {
    text += fmt::format("{}{}{}",
                        i > 0 ? ", " : " ",
                        found[i].name,
                        stretches_of(found[i].ranks));
  }
  return text;
}

Placement place_ranks(comm::Communicator& launched,
                      const mesh::Mesh& mesh,
                      const std::vector<std::string>& hosts) {
  const mesh::Topology topology = mesh::topology_of(hosts);
  const std::vector<int> places = mesh::place(mesh, topology);
  Placement placement = {
      .world = nullptr,
      .warning = mesh::crossing_warning(mesh, mesh::placed(topology, places))};
  std::vector<int> members(places.size());
  for (std::size_t rank = 0; rank < places.size(); ++rank) {
    members[places[rank]] = static_cast<int>(rank);
  }
  if (!std::is_sorted(members.begin(), members.end())) {
    placement.world = launched.subgroup(members, launched.axis());
  }
  return placement;
}

}  // namespace dure::launch
