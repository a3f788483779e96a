// Which host each rank of a communicator is on.
#pragma once

#include <string>
#include <vector>

#include "dure/comm/communicator.h"

namespace dure::launch {

// Collective: the name of every rank's host.
std::vector<std::string> hosts_of(comm::Communicator& comm,
                                  const std::string& host);

// The same, of the system's name of this host.
std::vector<std::string> hosts_of(comm::Communicator& comm);

bool is_one_host(const std::vector<std::string>& hosts);

// "4 ranks on 2 hosts: first 0-1, second 2-3".
std::string describe_hosts(const std::vector<std::string>& hosts);

}  // namespace dure::launch
