#include "dure/comm/groups.h"

#include <utility>

namespace dure::comm {

std::unique_ptr<Communicator> my_group(
    Communicator& ranks,
    const std::vector<std::vector<int>>& groups,
    const std::string& axis) {
  std::unique_ptr<Communicator> mine;
  for (const std::vector<int>& members : groups) {
    if (auto group = ranks.subgroup(members, axis)) {
      mine = std::move(group);
    }
  }
  return mine;
}

}  // namespace dure::comm
