#include <functional>
#include <map>
#include <utility>

#include "dure/base/check.h"
#include "dure/checkpoint/atomic_folder.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/checkpoint/parallel_io.h"
#include "dure/model/weights.h"

namespace dure::checkpoint {
namespace {

using Tasks = std::vector<std::function<void()>>;
using Parts = std::vector<std::span<const std::byte>>;

// One safetensors file in the making: a plan, a file, the tensors in the order
// in which they lie there.
class TensorFile {
 public:
  TensorFile(const Path& folder,
             std::string name,
             const std::vector<TensorSource>& tensors)
      : record_{.name = std::move(name)},
        layout_(plan_safetensors(headers(tensors), {})),
        file_(folder / record_.name) {
    std::map<std::string_view, std::span<const std::byte>> bytes;
    for (const TensorSource& tensor : tensors) {
      bytes.emplace(tensor.header.name, tensor.bytes);
    }
    parts_.push_back(std::as_bytes(std::span(layout_.header)));
    for (const PlacedTensor& tensor : layout_.tensors) {
      parts_.push_back(bytes.at(tensor.header.name));
      DURE_CHECK(parts_.back().size() == tensor.bytes,
                 "tensor ",
                 tensor.header.name,
                 " takes ",
                 tensor.bytes,
                 " bytes, not ",
                 parts_.back().size());
    }
  }

  void add_sum_task(Tasks& tasks) {
    tasks.emplace_back([this] { record_.xxh64 = xxh64(parts_); });
  }

  void add_tasks(Tasks& tasks) {
    for (const auto& part : parts_) {
      add_write_tasks({&file_, record_.bytes, part}, tasks);
      record_.bytes += part.size();
    }
  }

  FileRecord commit() {
    file_.commit();
    return record_;
  }

 private:
  static std::vector<TensorHeader> headers(
      const std::vector<TensorSource>& tensors) {
    std::vector<TensorHeader> headers;
    headers.reserve(tensors.size());
    for (const TensorSource& tensor : tensors) {
      headers.push_back(tensor.header);
    }
    return headers;
  }

  FileRecord record_;
  SafetensorsLayout layout_;
  AtomicFile file_;
  Parts parts_;
};

// Syncs them together: a disk takes two queues at once.
std::vector<FileRecord> commit_all(
    const std::vector<std::unique_ptr<TensorFile>>& files) {
  std::vector<FileRecord> records(files.size());
  Tasks tasks;
  for (std::size_t i = 0; i < files.size(); ++i) {
    tasks.emplace_back([&, i] { records[i] = files[i]->commit(); });
  }
  run_tasks(tasks);
  return records;
}

void check_model(const CheckpointContent& content) {
  std::map<std::string_view, const TensorSource*> given;
  for (const TensorSource& tensor : content.model) {
    given.emplace(tensor.header.name, &tensor);
  }
  const auto specs = model::weights(content.manifest.model);
  for (const model::WeightSpec& spec : specs) {
    const auto found = given.find(spec.name);
    DURE_CHECK(found != given.end(), "no values for weight ", spec.name);
    DURE_CHECK(found->second->header.shape == spec.logical,
               "weight ",
               spec.name,
               " has shape ",
               to_string(found->second->header.shape),
               ", wanted ",
               to_string(spec.logical));
  }
  DURE_CHECK(given.size() == specs.size(),
             "got ",
             given.size(),
             " weights for a model of ",
             specs.size());
}

FileRecord write_document(const Path& folder,
                          const std::string& name,
                          const std::string& text) {
  write_file_atomically(folder / name, text);
  const Parts parts = {std::as_bytes(std::span(text))};
  return {.name = name, .bytes = text.size(), .xxh64 = xxh64(parts)};
}

}  // namespace

void save_checkpoint(const Path& folder, const CheckpointContent& content) {
  check_model(content);
  AtomicFolder target(folder, AtomicFolder::Existing::kReplace);
  std::vector<std::unique_ptr<TensorFile>> files;
  files.push_back(
      std::make_unique<TensorFile>(target.path(), kModelFile, content.model));
  if (!content.optimizer.empty()) {
    files.push_back(std::make_unique<TensorFile>(
        target.path(), kOptimizerFile, content.optimizer));
  }
  Tasks tasks;
  for (auto& file : files) {  // sums first: each is one long task
    file->add_sum_task(tasks);
  }
  for (auto& file : files) {
    file->add_tasks(tasks);
  }
  run_tasks(tasks);
  Manifest manifest = content.manifest;
  manifest.model = model::resolve(manifest.model);
  manifest.files.clear();
  for (FileRecord& record : commit_all(files)) {
    manifest.files.push_back(std::move(record));
  }
  for (const auto& [name, text] : content.documents) {
    manifest.files.push_back(write_document(target.path(), name, text));
  }
  write_file_atomically(target.path() / kManifestFile, to_json(manifest));
  target.commit();
}

}  // namespace dure::checkpoint
