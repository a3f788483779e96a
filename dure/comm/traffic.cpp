#include "dure/comm/traffic.h"

namespace dure::comm {

Traffic::Count Traffic::of(const std::string& axis, Kind kind) const {
  const auto found = by_axis_.find(axis);
  return found == by_axis_.end()
             ? Count{}
             : found->second[static_cast<std::size_t>(kind)];
}

}  // namespace dure::comm
