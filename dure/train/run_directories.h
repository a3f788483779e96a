// The directories that a run writes, for as long as it lives.
#pragma once

#include <vector>

#include "dure/base/lock.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/train/config.h"

namespace dure::train {

// What would keep a run from saving at its end is found here, before its first
// step. Makes log.directory and checkpoint.directory, locks both, and tries to
// write there. Error where another process has one, where one can't be made or
// written, or where there is no room for a checkpoint. Directories that were
// made and are still empty at the end are removed. On one rank of a run.
class RunDirectories {
 public:
  RunDirectories(const Config& config, const checkpoint::CheckpointPlan& plan);

 private:
  // Removes, at its end, those that it made and that are empty.
  class Made {
   public:
    Made() = default;
    Made(const Made&) = delete;
    Made& operator=(const Made&) = delete;
    ~Made();
    void make(const Path& directory);

   private:
    std::vector<Path> directories_;  // the innermost last
  };

  Made made_;
  std::vector<DirectoryLock> locks_;
};

}  // namespace dure::train
