// The directories that a run writes to, while it lives.
#pragma once

#include <vector>

#include "dure/base/lock.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/config/config.h"

namespace dure::train {

// Finds before the first step what would keep a run from saving at its end.
// Makes log.directory and checkpoint.directory, locks both, and tries to write
// there. Throws Error if another process holds one, if one can't be made or
// written, or if there is no room for a checkpoint. Directories that it made
// and that are empty at the end are removed. Used on one rank of a run.
class RunDirectories {
 public:
  RunDirectories(const Config& config, const checkpoint::CheckpointPlan& plan);

 private:
  // Removes the directories that it made and that are empty at its end.
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
