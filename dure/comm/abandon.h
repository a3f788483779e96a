// How a rank that fails says so before it waits for what it has on its way.
//
// Tensors must outlive what reads and writes them, so a rank whose pass is
// thrown out of waits for its messages; their other ends may wait for what this
// rank will not do any more. With abandon() first, none of them waits.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include "dure/comm/communicator.h"

namespace dure::comm {

// A communicator whose ranks could wait for one that has failed: every one of
// more than one rank, but for a simulated one's.
class Abandonable {
 public:
  Abandonable() = default;
  Abandonable(const Abandonable&) = delete;
  Abandonable& operator=(const Abandonable&) = delete;

  virtual void abandon(const std::string& message) = 0;

 protected:
  ~Abandonable() = default;
};

// This rank has failed: on all ranks of the run whatever waits, now or later,
// throws Aborted with this message, or that of a rank that failed before. Of a
// communicator that is not Abandonable: nothing.
void abandon(Communicator& ranks, const std::string& message);

// function(), and abandon() if it throws: to be left before what is on its way
// dies.
template <typename Function>
void or_abandon(Communicator& ranks, Function&& function) {
  try {
    std::forward<Function>(function)();
  } catch (const std::exception& error) {
    abandon(ranks, error.what());
    throw;
  }
}

}  // namespace dure::comm
