// Whether the ranks of a run still live: the first failure ends them all.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

namespace dure::comm {

// Shared by all ranks of a process. Threads: any.
class AbortFlag {
 public:
  // The first call decides; later ones change nothing.
  void fail(int rank, const std::string& message);

  bool failed() const { return failed_.load(); }

  // Throws Aborted with the first failure's rank and message.
  [[noreturn]] void raise() const;

 private:
  std::atomic<bool> failed_ = false;
  mutable std::mutex mutex_;
  int rank_ = 0;
  std::string message_;
};

}  // namespace dure::comm
