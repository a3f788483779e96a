#include "dure/comm/groups.h"

#include <algorithm>
#include <span>

namespace dure::comm {

std::unique_ptr<Communicator> my_group(
    Communicator& ranks,
    const std::vector<std::vector<int>>& groups,
    const std::string& axis) {
  const auto mine =
      std::find_if(groups.begin(), groups.end(), [&](const auto& group) {
        return std::find(group.begin(), group.end(), ranks.rank()) !=
               group.end();
      });
  return ranks.own_group(
      mine == groups.end() ? std::span<const int>() : std::span(*mine), axis);
}

}  // namespace dure::comm
