// The communicator of a rank that is alone.
#pragma once

#include <memory>

#include "dure/comm/communicator.h"

namespace dure::comm {

std::unique_ptr<Communicator> make_self_communicator(
    const Options& options = {});

}  // namespace dure::comm
