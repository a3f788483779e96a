#include "dure/run/starting_point.h"

#include <fmt/core.h>
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/checkpoint/checkpoint.h"

namespace dure::train {
namespace {

using checkpoint::StepFolder;

constexpr const char* kOtherDirectory = "choose another checkpoint.directory";

// The difference of its model; empty if there is none, or if it can't be told.
std::string other_model(const Path& folder, const model::ModelConfig& model) {
  try {
    return checkpoint::model_difference(checkpoint::read_manifest(folder).model,
                                        model);
  } catch (const checkpoint::OtherVersion&) {
    throw;
  } catch (const Error&) {
    return "";  // damaged: the search for a whole one reports it
  }
}

void expect_own(const Path& root,
                const std::vector<StepFolder>& folders,
                const model::ModelConfig& model) {
  DURE_CHECK(!std::filesystem::exists(root / checkpoint::kManifestFile),
             "{} is itself a checkpoint, wanted a directory of them: {}",
             root.string(),
             kOtherDirectory);
  for (const StepFolder& folder : folders) {
    DURE_CHECK(std::filesystem::is_directory(folder.path),
               "{} is no folder, and a checkpoint would be saved there: remove "
               "it, or {}",
               folder.path.string(),
               kOtherDirectory);
    const std::string difference = other_model(folder.path, model);
    DURE_CHECK(difference.empty(),
               "{} is of another model: {}; {}",
               folder.path.string(),
               difference,
               kOtherDirectory);
  }
}

Path plain(const Path& path) {
  const Path whole = std::filesystem::weakly_canonical(path);
  return whole.has_filename() ? whole : whole.parent_path();
}

// A run's own checkpoints are resumed or put aside, so train.from must not be
// there.
void expect_elsewhere(const Path& from, const Path& root) {
  if (from.empty()) {
    return;
  }
  const Path source = plain(from);
  const Path own = plain(root);
  if (source == own || source.parent_path() == own ||
      source / "checkpoints" == own) {
    throw UsageError(
        "train.from = {} is where this run saves its own "
        "checkpoints, {}: {}, or, to go on from it, add --resume",
        from.string(),
        root.string(),
        kOtherDirectory);
  }
}

std::optional<Path> find_to_resume(const Path& root, const Log& log) {
  const checkpoint::Newest newest =
      checkpoint::find_newest(root, checkpoint::Look::kSums);
  DURE_CHECK(newest.whole || newest.damaged.empty(),
             "{} holds no whole checkpoint: {}; --restart begins anew",
             root.string(),
             describe(newest.damaged));
  if (!newest.damaged.empty()) {
    log.warning(describe(newest.damaged));
  }
  if (!newest.whole) {
    log.info(
        fmt::format("no checkpoint in {}: beginning at step 1", root.string()));
  }
  return newest.whole;
}

// The first of before_restart_1, before_restart_2, ... that does not exist.
Path folder_aside(const Path& root) {
  int number = 1;
  Path aside;
  do {
    aside = root / fmt::format("before_restart_{}", number++);
  } while (std::filesystem::exists(aside));
  return aside;
}

}  // namespace

std::optional<Path> find_starting_point(const Config& config,
                                        Start start,
                                        const Log& log) {
  const Path root = config.checkpoint.directory;
  if (start != Start::kResume) {
    expect_elsewhere(config.train.from, root);
  }
  const std::vector<StepFolder> folders = checkpoint::step_folders(root);
  expect_own(root, folders, config.model);
  if (start == Start::kResume) {
    return find_to_resume(root, log);
  }
  if (start == Start::kNew && !folders.empty()) {
    throw UsageError(
        "{} already holds checkpoints, the newest being {}; add --resume to go "
        "on from it or --restart to begin anew, or {}",
        root.string(),
        folders.back().path.filename().string(),
        kOtherDirectory);
  }
  return std::nullopt;
}

// Nothing is lost, not even damaged checkpoints, which may be mended.
void put_aside(const Config& config, const Log& log) {
  const Path root = config.checkpoint.directory;
  const std::vector<StepFolder> folders = checkpoint::step_folders(root);
  if (folders.empty()) {
    return;
  }
  const Path aside = folder_aside(root);
  make_directories(aside);
  for (const StepFolder& folder : folders) {
    std::filesystem::rename(folder.path, aside / folder.path.filename());
  }
  for (const char* name : {"metrics.jsonl", "run.json"}) {
    const Path file = Path(config.log.directory) / name;
    if (std::filesystem::exists(file)) {
      std::filesystem::copy_file(file, aside / name);
    }
  }
  sync_directory(root);
  log.info(
      fmt::format("beginning anew at step 1; the checkpoints and the metrics "
                  "of before are in {}",
                  aside.string()));
}

}  // namespace dure::train
