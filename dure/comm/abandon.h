// How a rank that fails tells the others before it waits for its own messages.
//
// Tensors must outlive the operations that read and write them. So a rank that
// leaves its pass by an exception waits for its messages; but their other ends
// may wait for something that this rank will not do any more. After
// Communicator::abandon() none of them waits.
#pragma once

#include <exception>
#include <utility>

#include "dure/comm/communicator.h"

namespace dure::comm {

// Calls function(), and abandon() if it throws, before the memory that messages
// still use is destroyed.
template <typename Function>
void or_abandon(Communicator& ranks, Function&& function) {
  try {
    std::forward<Function>(function)();
  } catch (const std::exception& error) {
    ranks.abandon(error.what());
    throw;
  }
}

}  // namespace dure::comm
