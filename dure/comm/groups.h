// A communicator cut into groups.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dure/comm/communicator.h"

namespace dure::comm {

// Collective: of groups that do not overlap, the same ones on every rank, the
// one that this rank is in (Communicator::own_group); null where it is in none.
std::unique_ptr<Communicator> my_group(
    Communicator& ranks,
    const std::vector<std::vector<int>>& groups,
    const std::string& axis);

}  // namespace dure::comm
