#include "dure/run/run_directories.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "dure/base/check.h"
#include "dure/base/files.h"

namespace dure::train {
namespace {

constexpr const char* kFiles[] = {
    "config.toml", "metrics.jsonl", "memory.json", "run.json", "trace.json"};

// Writes, syncs and renames a file, as saving does.
void try_to_write(const Path& directory) {
  const Path probe = directory / ".dure.probe";
  write_file_atomically(probe, "dure");
  std::filesystem::remove(probe);
}

// Checks the room on the disk, and the limit on one file (ulimit -f).
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
             "a checkpoint has a file of {} bytes, and this process may write "
             "files of {}: raise ulimit -f",
             largest,
             limit.rlim_cur);
  struct statvfs disk {};
  const bool told = ::statvfs(directory.c_str(), &disk) == 0;
  const std::uint64_t left = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  DURE_CHECK(!told || left >= all,
             "a checkpoint takes {} bytes, and {} has room for {}: make room, "
             "or choose another checkpoint.directory",
             all,
             directory.string(),
             left);
}

// Finds an obstacle to a run's files: a folder, or a pipe, whose reader would
// be waited for.
void check_files(const Path& log_directory) {
  for (const char* name : kFiles) {
    const Path path = log_directory / name;
    const auto there = std::filesystem::status(path);
    DURE_CHECK(!std::filesystem::exists(there) ||
                   std::filesystem::is_regular_file(there) ||
                   std::filesystem::is_character_file(there),
               "{} is a directory or a pipe, and the run writes a file there: "
               "remove it, or choose another log.directory",
               path.string());
  }
}

// The run overwrites a config.toml only if its first line says that a run wrote
// it.
void check_config_file(const Path& path) {
  constexpr std::string_view kOurs = "# Written by ";
  constexpr std::size_t kMostBytes = std::size_t{1} << 24;
  if (!std::filesystem::is_regular_file(path)) {
    return;
  }
  const std::string text = read_regular_file(path, kMostBytes);
  DURE_CHECK(text.empty() || text.starts_with(kOurs),
             "{} was not written by a run, and this one would write its "
             "configuration over it: choose another log.directory",
             path.string());
}

// Removes files and checkpoints that killed runs left incomplete.
void remove_all_leftovers(const Path& directory) {
  remove_leftovers(directory);
  for (const char* name : kFiles) {
    remove_leftovers(directory, name);
  }
}

// Removes those of indices, which stand beside their data or in
// data.index_cache.
void remove_index_leftovers(const data::DataConfig& data) {
  for (const auto* list : {&data.train, &data.validation, &data.test}) {
    for (const std::string& prefix : *list) {
      const Path path = prefix + ".gpt-";
      remove_leftovers(data.index_cache.empty() ? path.parent_path()
                                                : Path(data.index_cache),
                       path.filename().string());
    }
  }
}

}  // namespace

void RunDirectories::Made::make(const Path& directory) {
  const Path whole = std::filesystem::absolute(directory).lexically_normal();
  std::vector<Path> absent;
  for (Path path = whole;
       path.has_relative_path() && !std::filesystem::exists(path);
       path = path.parent_path()) {
    absent.push_back(path);
  }
  make_directories(directory);
  directories_.insert(directories_.end(), absent.rbegin(), absent.rend());
  sync_directory(whole.parent_path());
}

RunDirectories::Made::~Made() {
  for (; !directories_.empty(); directories_.pop_back()) {
    std::error_code not_empty;
    std::filesystem::remove(directories_.back(), not_empty);
  }
}

RunDirectories::RunDirectories(const Config& config,
                               const checkpoint::CheckpointPlan& plan) {
  const Path log = config.log.directory;
  made_.make(log);
  locks_.emplace_back(log);
  try_to_write(log);
  check_files(log);
  check_config_file(log / "config.toml");
  remove_all_leftovers(log);
  remove_index_leftovers(config.data);
  if (config.train.device == Device::kSim) {
    return;  // it saves nothing
  }
  const Path checkpoints = config.checkpoint.directory;
  made_.make(checkpoints);
  if (!std::filesystem::equivalent(log, checkpoints)) {
    locks_.emplace_back(checkpoints);
    try_to_write(checkpoints);
  }
  remove_all_leftovers(checkpoints);
  check_room(checkpoints, plan);
}

}  // namespace dure::train
