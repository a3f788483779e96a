#include "dure/train/run_directories.h"

#include <algorithm>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "dure/base/check.h"
#include "dure/base/files.h"

namespace dure::train {
namespace {

// A file that can be written, synced and renamed: what saving does.
void try_to_write(const Path& directory) {
  const Path probe = directory / ".dure.probe";
  write_file_atomically(probe, "dure");
  std::filesystem::remove(probe);
}

// The disk's, and what the process may write to one file (ulimit -f).
void check_room(const Path& directory, const checkpoint::CheckpointPlan& plan) {
  std::uint64_t all = 0;
  std::uint64_t largest = 0;
  for (const checkpoint::CheckpointPlan::File& file : plan.files) {
    all += file.layout.file_bytes;
    largest = std::max(largest, file.layout.file_bytes);
  }
  struct rlimit limit {};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  DURE_CHECK(limit.rlim_cur >= largest,
             "a checkpoint has a file of ",
             largest,
             " bytes, and this process may write files of ",
             limit.rlim_cur,
             ": raise ulimit -f");
  struct statvfs disk {};
  const bool told = ::statvfs(directory.c_str(), &disk) == 0;
  const std::uint64_t left = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  DURE_CHECK(!told || left >= all,
             "a checkpoint takes ",
             all,
             " bytes, and ",
             directory.string(),
             " has room for ",
             left,
             ": make room, or choose another checkpoint.directory");
}

// Where saving would meet a folder in the place of a file.
void check_files(const Path& log_directory) {
  for (const char* name :
       {"config.toml", "metrics.jsonl", "memory.json", "trace.json"}) {
    const Path path = log_directory / name;
    DURE_CHECK(
        !std::filesystem::is_directory(path),
        path.string(),
        " is a directory, and the run writes a file there: remove it, or "
        "choose another log.directory");
  }
}

}  // namespace

RunDirectories::RunDirectories(const Config& config,
                               const checkpoint::CheckpointPlan& plan) {
  const Path log = config.log.directory;
  make_directories(log);
  locks_.emplace_back(log);
  try_to_write(log);
  check_files(log);
  if (config.train.device == Device::kSim) {
    return;  // it saves nothing
  }
  const Path checkpoints = config.checkpoint.directory;
  make_directories(checkpoints);
  sync_directory(checkpoints.parent_path());
  if (!std::filesystem::equivalent(log, checkpoints)) {
    locks_.emplace_back(checkpoints);
    try_to_write(checkpoints);
  }
  check_room(checkpoints, plan);
}

}  // namespace dure::train
