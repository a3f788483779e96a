// Ranks that are threads of one process. They read each other's memory
// directly, in one pass over the data, without a copy in between.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dure/comm/communicator.h"

namespace dure::comm {

class Watch;

// The communicators of so many ranks. The i-th belongs to the thread that is
// rank i, and may outlive this.
class ThreadWorld {
 public:
  ThreadWorld(int ranks, const Options& options);
  ThreadWorld(const ThreadWorld&) = delete;
  ThreadWorld& operator=(const ThreadWorld&) = delete;
  ~ThreadWorld();

  std::vector<std::unique_ptr<Communicator>>& communicators() {
    return communicators_;
  }

  // Makes every wait of any rank, now or later, throw Aborted with the first
  // such message.
  void abort(int rank, const std::string& message);

 private:
  std::shared_ptr<Watch> watch_;
  std::vector<std::unique_ptr<Communicator>> communicators_;
};

}  // namespace dure::comm
