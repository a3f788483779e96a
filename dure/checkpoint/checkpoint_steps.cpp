#include <algorithm>
#include <charconv>
#include <cstdio>
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

// Whether the manifest can be read and every file it names has its size.
bool is_complete(const Path& folder) {
  try {
    const Path path = folder / kManifestFile;
    const Manifest manifest =
        manifest_from_json(read_file(path), path.string());
    return std::all_of(manifest.files.begin(),
                       manifest.files.end(),
                       [&](const FileRecord& file) {
                         std::error_code error;
                         const auto bytes = std::filesystem::file_size(
                             folder / file.name, error);
                         return !error && bytes == file.bytes;
                       });
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

Path step_folder(const Path& root, std::int64_t step) {
  char name[32];
  std::snprintf(name, sizeof name, "step_%08lld", static_cast<long long>(step));
  return root / name;
}

std::vector<Path> list_checkpoints(const Path& root) {
  std::vector<std::pair<std::int64_t, Path>> found;
  std::error_code error;  // no such folder: no checkpoints
  for (const auto& entry : std::filesystem::directory_iterator(root, error)) {
    const auto step = step_of(entry.path().filename().string());
    if (step && is_complete(entry.path())) {
      found.emplace_back(*step, entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  std::vector<Path> folders;
  folders.reserve(found.size());
  for (auto& [step, folder] : found) {
    folders.push_back(std::move(folder));
  }
  return folders;
}

std::optional<Path> find_latest(const Path& root) {
  const std::vector<Path> folders = list_checkpoints(root);
  return folders.empty() ? std::nullopt : std::optional(folders.back());
}

std::vector<Path> prune(const Path& root, std::int64_t keep) {
  DURE_CHECK(keep >= 1, "wanted to keep 1 checkpoint or more, not ", keep);
  std::vector<Path> folders = list_checkpoints(root);
  const auto kept = static_cast<std::size_t>(keep);
  folders.resize(folders.size() - std::min(folders.size(), kept));
  for (const Path& folder : folders) {
    remove_folder(folder);
  }
  remove_leftovers(root, std::string(kPrefix));
  return folders;
}

Path resolve_checkpoint(const Path& path) {
  if (std::filesystem::exists(path / kManifestFile)) {
    return path;
  }
  std::optional<Path> latest = find_latest(path);
  if (!latest) {
    latest = find_latest(path / "checkpoints");
  }
  DURE_CHECK(latest,
             path.string(),
             " is no checkpoint (it has no ",
             kManifestFile,
             ") and holds no complete step_N folder");
  return *latest;
}

}  // namespace dure::checkpoint
