#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fmt/core.h>
#include <unistd.h>
#include <utility>

#include "dure/base/check.h"
#include "dure/checkpoint/atomic_folder.h"
#include "dure/checkpoint/checkpoint.h"

namespace dure::checkpoint {
namespace {

constexpr std::string_view kPrefix = "step_";

// The N of "step_N"; nothing for another name.
std::optional<std::int64_t> step_of(const std::string& name) {
  if (name.compare(0, kPrefix.size(), kPrefix) != 0) {
    return std::nullopt;
  }
  std::int64_t step = 0;
  const char* end = name.data() + name.size();
  const auto read = std::from_chars(name.data() + kPrefix.size(), end, step);
  const bool whole = read.ec == std::errc() && read.ptr == end && step >= 0;
  return whole ? std::optional(step) : std::nullopt;
}

// Throws Error if this user may not read it: then nothing is known about it.
void expect_readable(const Path& folder) {
  for (const Path& path : {folder, folder / kManifestFile}) {
    DURE_CHECK(::access(path.c_str(), R_OK) == 0 || errno != EACCES,
               "can't read {}: {}; it may be a whole checkpoint: let this user "
               "read it, or choose another checkpoint.directory",
               path.string(),
               std::strerror(EACCES));
  }
}

// The damage; nothing if the checkpoint is whole.
std::optional<std::string> damage_of(const StepFolder& folder, Look look) {
  expect_readable(folder.path);
  try {
    const CheckpointReader reader(folder.path);
    DURE_CHECK(reader.manifest().step == folder.step,
               "it holds step {}",
               reader.manifest().step);
    if (look == Look::kSums) {
      reader.verify();
    }
    return std::nullopt;
  } catch (const OtherVersion&) {
    throw;
  } catch (const Error& error) {
    return error.what();
  }
}

std::vector<StepFolder> newest_first(const Path& root) {
  std::vector<StepFolder> folders = step_folders(root);
  std::reverse(folders.begin(), folders.end());
  return folders;
}

bool is_checkpoint(const Path& path) {
  return std::filesystem::exists(path / kManifestFile);
}

// The folder that holds the step_N folders of `path`: itself, or a run's
// "checkpoints" in it.
Path root_in(const Path& path) {
  return step_folders(path).empty() ? path / "checkpoints" : path;
}

}  // namespace

Path step_folder(const Path& root, std::int64_t step) {
  char name[32];
  std::snprintf(name, sizeof name, "step_%08lld", static_cast<long long>(step));
  return root / name;
}

std::vector<StepFolder> step_folders(const Path& root) {
  std::vector<StepFolder> folders;
  std::error_code error;
  std::filesystem::directory_iterator entry(root, error);
  while (!error && entry != std::filesystem::directory_iterator()) {
    if (const auto step = step_of(entry->path().filename().string())) {
      folders.push_back({*step, entry->path()});
    }
    entry.increment(error);
  }
  DURE_CHECK(!error || error == std::errc::no_such_file_or_directory,
             "can't read the directory {}: {}",
             root.string(),
             error.message());
  std::sort(folders.begin(), folders.end(), [](const auto& a, const auto& b) {
    return a.step < b.step;
  });
  return folders;
}

Newest find_newest(const Path& root, Look look) {
  Newest newest;
  for (const StepFolder& folder : newest_first(root)) {
    const auto damage = damage_of(folder, look);
    if (!damage) {
      newest.whole = folder.path;
      return newest;
    }
    newest.damaged.push_back({folder.path, *damage});
  }
  return newest;
}

std::string describe(const std::vector<Newest::Damaged>& damaged) {
  std::string text;
  for (const Newest::Damaged& one : damaged) {
    text += fmt::format(
        "{}{} ({})", text.empty() ? "" : "; ", one.path.string(), one.why);
  }
  return (damaged.size() == 1 ? "a damaged checkpoint is passed over: "
                              : "damaged checkpoints are passed over: ") +
         text;
}

namespace {

// Whether it comes from `dure convert`: a run can start from it, but none saved
// it.
bool is_weights_alone(const Path& whole) {
  return !CheckpointReader(whole).has_document(kTrainerFile);
}

}  // namespace

Path find_steps(const Path& path) {
  const Path root = root_in(path);
  DURE_CHECK(!step_folders(root).empty(),
             "{} holds no checkpoints (step_N); wanted a run's folder, or its "
             "checkpoint.directory",
             path.string());
  return root;
}

std::vector<Path> prune(const Path& root, const Pruning& pruning) {
  DURE_CHECK(pruning.keep >= 1,
             "wanted to keep 1 checkpoint or more, not {}",
             pruning.keep);
  std::vector<Path> removed;
  std::int64_t kept = 0;
  for (const StepFolder& folder : newest_first(root)) {
    if (folder.step > pruning.last_step) {
      continue;
    }
    const bool whole = !damage_of(folder, pruning.look);
    if (whole && is_weights_alone(folder.path)) {
      continue;
    }
    if (kept == pruning.keep) {
      remove_folder(folder.path);
      removed.push_back(folder.path);
    } else if (whole) {
      ++kept;
    }
  }
  std::reverse(removed.begin(), removed.end());
  remove_leftovers(root, std::string(kPrefix));
  return removed;
}

Path resolve_checkpoint(const Path& path, Look look, const Log& log) {
  if (is_checkpoint(path)) {
    const CheckpointReader reader(path);
    if (look == Look::kSums) {
      reader.verify();
    }
    return path;
  }
  const Newest newest = find_newest(root_in(path), look);
  DURE_CHECK(newest.whole || newest.damaged.empty(),
             "{} holds no whole checkpoint; {}",
             path.string(),
             describe(newest.damaged));
  DURE_CHECK(newest.whole,
             "{} is no checkpoint (it has no {}) and holds none",
             path.string(),
             kManifestFile);
  if (!newest.damaged.empty()) {
    log.warning(fmt::format(
        "{}; {} is taken", describe(newest.damaged), newest.whole->string()));
  }
  return *newest.whole;
}

Path verify_checkpoint(const Path& path) {
  Path one = path;
  if (!is_checkpoint(path)) {
    const auto folders = step_folders(root_in(path));
    DURE_CHECK(!folders.empty(), "{} holds no checkpoint", path.string());
    one = folders.back().path;
  }
  CheckpointReader(one).verify();
  return one;
}

}  // namespace dure::checkpoint
