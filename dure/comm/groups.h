// A communicator split into groups.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dure/comm/communicator.h"

namespace dure::comm {

// Collective: the communicator of the group that this rank is in; null if it is
// in none. Groups do not overlap and are the same on every rank
// (Communicator::own_group).
std::unique_ptr<Communicator> my_group(
    Communicator& ranks,
    const std::vector<std::vector<int>>& groups,
    const std::string& axis);

}  // namespace dure::comm
