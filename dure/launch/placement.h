// Which host each rank of a communicator is on, and its best place on the mesh.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dure/comm/communicator.h"
#include "dure/mesh/mesh.h"

namespace dure::launch {

// Collective: the name of every rank's host.
std::vector<std::string> hosts_of(comm::Communicator& comm,
                                  const std::string& host);

// This overload uses the system's name of this host.
std::vector<std::string> hosts_of(comm::Communicator& comm);

bool is_one_host(const std::vector<std::string>& hosts);

// "4 ranks on 2 hosts: first 0-1, second 2-3".
std::string describe_hosts(const std::vector<std::string>& hosts);

struct Placement {
  // The ranks in mesh order (mesh::place): neighbours on the tensor axis share
  // a host wherever they can. Null if they stand so already.
  std::unique_ptr<comm::Communicator> world;
  std::string warning;  // where tensor groups cross hosts all the same
};

// Collective. `hosts` are those that hosts_of() returned.
Placement place_ranks(comm::Communicator& launched,
                      const mesh::Mesh& mesh,
                      const std::vector<std::string>& hosts);

}  // namespace dure::launch
