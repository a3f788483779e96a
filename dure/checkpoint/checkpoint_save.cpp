#include <utility>

#include "dure/base/check.h"
#include "dure/checkpoint/atomic_folder.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/checkpoint/parallel_io.h"
#include "dure/checkpoint/write_pipeline.h"

namespace dure::checkpoint {
namespace {

using Tasks = std::vector<std::function<void()>>;

// A safetensors file that is being written, from its first byte to its last.
class TensorFile {
 public:
  TensorFile(const Path& folder, const CheckpointPlan::File& plan)
      : plan_(plan), file_(folder / plan.name) {}

  void write(const TensorSource& source, WritePipeline& pipeline) {
    push({.bytes = std::as_bytes(std::span(plan_.layout.header))}, pipeline);
    for (const PlacedTensor& tensor : plan_.layout.tensors) {
      for (const TensorPiece& piece : pieces_of(tensor)) {
        pipeline.make_room(piece.bytes);
        push(checked(source(piece), piece), pipeline);
      }
    }
  }

  FileRecord commit() {
    file_.commit();
    return {.name = plan_.name, .bytes = bytes_, .xxh64 = sum_.sum()};
  }

 private:
  static PieceBytes checked(PieceBytes given, const TensorPiece& piece) {
    DURE_CHECK(given.bytes.size() == piece.bytes,
               "tensor {} takes {} bytes from byte {} on, not {}",
               piece.tensor,
               piece.bytes,
               piece.first,
               given.bytes.size());
    return given;
  }

  void push(PieceBytes piece, WritePipeline& pipeline) {
    const PieceTarget target = {.file = &file_, .offset = bytes_, .sum = &sum_};
    bytes_ += piece.bytes.size();
    pipeline.push(target, std::move(piece));
  }

  const CheckpointPlan::File& plan_;
  AtomicFile file_;
  Xxh64 sum_;
  std::uint64_t bytes_ = 0;
};

// Syncs the files in parallel, because a disk takes two queues at once.
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

}  // namespace

FileRecord write_document(const Path& folder,
                          const std::string& name,
                          const std::string& text) {
  write_file_atomically(folder / name, text);
  return {.name = name,
          .bytes = text.size(),
          .xxh64 = xxh64(std::as_bytes(std::span(text)))};
}

void save_checkpoint(const Path& folder,
                     const CheckpointPlan& plan,
                     const TensorSource& source) {
  AtomicFolder target(folder, AtomicFolder::Existing::kReplace);
  std::vector<std::unique_ptr<TensorFile>> files;
  WritePipeline pipeline;  // ends before the files do
  for (const CheckpointPlan::File& file : plan.files) {
    files.push_back(std::make_unique<TensorFile>(target.path(), file));
    files.back()->write(source, pipeline);
  }
  pipeline.finish();
  Manifest manifest = plan.manifest;
  manifest.files = commit_all(files);
  for (const auto& [name, text] : plan.documents) {
    manifest.files.push_back(write_document(target.path(), name, text));
  }
  write_file_atomically(target.path() / kManifestFile, to_json(manifest));
  target.commit();
}

}  // namespace dure::checkpoint
