#include "dure/comm/abandon.h"

namespace dure::comm {

void abandon(Communicator& ranks, const std::string& message) {
  if (auto* const others = dynamic_cast<Abandonable*>(&ranks)) {
    others->abandon(message);
  }
}

}  // namespace dure::comm
