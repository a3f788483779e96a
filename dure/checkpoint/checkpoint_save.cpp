#include <utility>

#include "dure/base/check.h"
#include "dure/checkpoint/atomic_folder.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/checkpoint/parallel_io.h"

namespace dure::checkpoint {
namespace {

using Tasks = std::vector<std::function<void()>>;

// One safetensors file in the making, written from its first byte to its last
// in batches: while one thread sums a batch, others write it.
class TensorFile {
 public:
  TensorFile(const Path& folder, const CheckpointPlan::File& plan)
      : plan_(plan), file_(folder / plan.name) {}

  void write(const TensorSource& source) {
    add({.bytes = std::as_bytes(std::span(plan_.layout.header))});
    for (const PlacedTensor& tensor : plan_.layout.tensors) {
      for (const TensorPiece& piece : pieces_of(tensor)) {
        if (batch_bytes_ + piece.bytes > kBatchBytes) {
          flush();
        }
        add(checked(source(piece), piece));
      }
    }
    flush();
  }

  FileRecord commit() {
    file_.commit();
    return {.name = plan_.name, .bytes = written_, .xxh64 = sum_.sum()};
  }

 private:
  static PieceBytes checked(PieceBytes given, const TensorPiece& piece) {
    DURE_CHECK(given.bytes.size() == piece.bytes,
               "tensor ",
               piece.tensor,
               " takes ",
               piece.bytes,
               " bytes from byte ",
               piece.first,
               " on, not ",
               given.bytes.size());
    return given;
  }

  void add(PieceBytes piece) {
    batch_bytes_ += piece.bytes.size();
    batch_.push_back(std::move(piece));
  }

  void flush() {
    Tasks tasks;
    tasks.emplace_back([this] {  // first: it takes longest
      for (const PieceBytes& piece : batch_) {
        sum_.add(piece.bytes);
      }
    });
    for (const PieceBytes& piece : batch_) {
      tasks.emplace_back([this, bytes = piece.bytes, at = written_] {
        file_.write_at(at, bytes.data(), bytes.size());
      });
      written_ += piece.bytes.size();
    }
    run_tasks(tasks);
    batch_.clear();
    batch_bytes_ = 0;
  }

  const CheckpointPlan::File& plan_;
  AtomicFile file_;
  Xxh64 sum_;
  std::uint64_t written_ = 0;
  std::vector<PieceBytes> batch_;
  std::uint64_t batch_bytes_ = 0;
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

FileRecord write_document(const Path& folder,
                          const std::string& name,
                          const std::string& text) {
  write_file_atomically(folder / name, text);
  return {.name = name,
          .bytes = text.size(),
          .xxh64 = xxh64(std::as_bytes(std::span(text)))};
}

}  // namespace

void save_checkpoint(const Path& folder,
                     const CheckpointPlan& plan,
                     const TensorSource& source) {
  AtomicFolder target(folder, AtomicFolder::Existing::kReplace);
  std::vector<std::unique_ptr<TensorFile>> files;
  for (const CheckpointPlan::File& file : plan.files) {
    files.push_back(std::make_unique<TensorFile>(target.path(), file));
    files.back()->write(source);
  }
  Manifest manifest = plan.manifest;
  manifest.files = commit_all(files);
  for (const auto& [name, text] : plan.documents) {
    manifest.files.push_back(write_document(target.path(), name, text));
  }
  write_file_atomically(target.path() / kManifestFile, to_json(manifest));
  target.commit();
}

}  // namespace dure::checkpoint
