// How a rank that fails says so before it waits for what it has on its way.
//
// Tensors must outlive what reads and writes them, so a rank whose pass is
// thrown out of waits for its messages; their other ends may wait for what this
// rank will not do any more. With Communicator::abandon() first, none of them
// waits.
#pragma once

#include <exception>
#include <utility>

#include "dure/comm/communicator.h"

namespace dure::comm {

// function(), and abandon() if it throws: to be left before what is on its way
// dies.
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
