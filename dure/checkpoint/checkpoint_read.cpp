#include <fmt/core.h>
#include <functional>

#include "dure/base/check.h"
#include "dure/base/quote.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/checkpoint/elements.h"
#include "dure/checkpoint/parallel_io.h"
#include "dure/model/weights.h"

namespace dure::checkpoint {
namespace {

const FileRecord* record_of(const Manifest& manifest, const std::string& name) {
  for (const FileRecord& file : manifest.files) {
    if (file.name == name) {
      return &file;
    }
  }
  return nullptr;
}

// The path of one file of the checkpoint, after checking that all files exist
// in their sizes.
Path complete(const Path& folder, const Manifest& manifest) {
  for (const FileRecord& file : manifest.files) {
    const Path path = folder / file.name;
    const std::string shown =
        fmt::format("{}/{}", folder.string(), shown_name(file.name));
    DURE_CHECK(std::filesystem::exists(path),
               "{} is missing; the manifest names it",
               shown);
    DURE_CHECK(std::filesystem::is_regular_file(path),
               "{} is no regular file, which the manifest says",
               shown);
    const std::uint64_t bytes = std::filesystem::file_size(path);
    DURE_CHECK(bytes == file.bytes,
               "{} has {} bytes, the manifest says {}; it is damaged",
               shown,
               bytes,
               file.bytes);
  }
  DURE_CHECK(record_of(manifest, kModelFile) != nullptr,
             "{}: names no {}",
             (folder / kManifestFile).string(),
             kModelFile);
  return folder / kModelFile;
}

std::optional<SafetensorsFile> optimizer_of(const Path& folder,
                                            const Manifest& manifest) {
  if (record_of(manifest, kOptimizerFile) == nullptr) {
    return std::nullopt;
  }
  return SafetensorsFile(folder / kOptimizerFile);
}

void check_sum(const Path& path, const FileRecord& file) {
  const std::uint64_t sum = xxh64_of_file(path);
  DURE_CHECK(sum == file.xxh64,
             "{} is damaged: its bytes are not those that were saved (xxh64 "
             "{}, the manifest says {})",
             path.string(),
             hex_of(sum),
             hex_of(file.xxh64));
}

}  // namespace

Manifest read_manifest(const Path& folder) {
  const Path path = folder / kManifestFile;
  DURE_CHECK(std::filesystem::exists(path),
             "{} is no checkpoint: it has no {}",
             folder.string(),
             kManifestFile);
  return manifest_from_json(read_regular_file(path), path.string());
}

CheckpointReader::CheckpointReader(const Path& folder)
    : folder_(folder),
      manifest_(read_manifest(folder)),
      model_(complete(folder, manifest_)),
      optimizer_(optimizer_of(folder, manifest_)) {
  const std::string file = model_.path().string();
  const auto specs = model::weights(manifest_.model);
  for (const model::WeightSpec& spec : specs) {
    expect_tensor(model_.at(spec.name), spec.logical, file);
  }
  DURE_CHECK(model_.tensors().size() == specs.size(),
             "{}: has {} tensors, the manifest's model {}",
             file,
             model_.tensors().size(),
             specs.size());
}

const SafetensorsFile& CheckpointReader::optimizer() const {
  DURE_CHECK(has_optimizer(),
             "{} has no optimizer states: it holds weights alone and can start "
             "a run, but not continue one",
             folder_.string());
  return *optimizer_;
}

bool CheckpointReader::has_document(const std::string& name) const {
  return record_of(manifest_, name) != nullptr;
}

std::vector<std::string> CheckpointReader::documents() const {
  std::vector<std::string> names;
  for (const FileRecord& file : manifest_.files) {
    if (file.name != kModelFile && file.name != kOptimizerFile) {
      names.push_back(file.name);
    }
  }
  return names;
}

std::string CheckpointReader::document(const std::string& name) const {
  DURE_CHECK(has_document(name), "{} has no {}", folder_.string(), name);
  return read_regular_file(folder_ / name);
}

void CheckpointReader::expect_model(const model::ModelConfig& wanted) const {
  const std::string difference = model_difference(manifest_.model, wanted);
  DURE_CHECK(difference.empty(),
             "{} is of another model: {}",
             folder_.string(),
             difference);
}

void CheckpointReader::verify() const {
  std::vector<std::function<void()>> tasks;
  for (const FileRecord& file : manifest_.files) {
    tasks.emplace_back([this, &file] { check_sum(folder_ / file.name, file); });
  }
  run_tasks(tasks);
}

void read_tensors(const SafetensorsFile& file,
                  std::span<const TensorTarget> targets) {
  std::vector<ReadPiece> pieces;
  for (const TensorTarget& target : targets) {
    const TensorEntry& entry = file.at(target.name);
    DURE_CHECK(entry.bytes.size() == target.bytes.size(),
               "{}: tensor {} has {} bytes, wanted {}",
               file.path().string(),
               target.name,
               entry.bytes.size(),
               target.bytes.size());
    pieces.push_back({file.offset(entry), target.bytes});
  }
  read_pieces(file.path(), pieces);
}

void read_stretches(const SafetensorsFile& file,
                    const std::string& name,
                    std::span<const mesh::Stretch> stretches,
                    std::span<float> out) {
  const TensorEntry& entry = file.at(name);
  const std::size_t size = size_of(entry.dtype);
  std::vector<ReadPiece> pieces;
  for (const mesh::Stretch& stretch : stretches) {
    const std::uint64_t from =
        static_cast<std::uint64_t>(stretch.global) * size;
    const auto length = static_cast<std::size_t>(stretch.length);
    const auto to = std::as_writable_bytes(
        out.subspan(static_cast<std::size_t>(stretch.local), length));
    DURE_CHECK(from + length * size <= entry.bytes.size(),
               "{}: tensor {} has no elements {} to {}",
               file.path().string(),
               name,
               stretch.global,
               stretch.global + stretch.length);
    if (entry.dtype == FileDtype::kF32) {
      pieces.push_back({file.offset(entry) + from, to});
    } else {
      TensorEntry some = entry;
      some.bytes = entry.bytes.subspan(from, length * size);
      convert(some, FileDtype::kF32, to);
    }
  }
  read_pieces(file.path(), pieces);
}

void CheckpointWeights::read_stretches(const std::string& name,
                                       std::span<const mesh::Stretch> stretches,
                                       std::span<float> out) const {
  checkpoint::read_stretches(reader_.model(), name, stretches, out);
}

FileDtype CheckpointWeights::dtype(const std::string& name) const {
  return reader_.model().at(name).dtype;
}

std::int64_t CheckpointWeights::read(const std::string& name,
                                     FileDtype dtype,
                                     std::span<std::byte> out) const {
  const TensorEntry& entry = reader_.model().at(name);
  const std::size_t bytes =
      entry.bytes.size() / size_of(entry.dtype) * size_of(dtype);
  DURE_CHECK(out.size() == bytes,
             "{} takes {} bytes, the buffer has {}",
             name,
             bytes,
             out.size());
  if (entry.dtype == dtype) {
    const TensorTarget target{name, out};
    read_tensors(reader_.model(), {&target, 1});
    return 0;
  }
  return convert(entry, dtype, out);
}

}  // namespace dure::checkpoint
