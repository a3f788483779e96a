#include "dure/base/check.h"

namespace dure {

void fail(const std::string& message) {
  throw Error(message);
}

}  // namespace dure
