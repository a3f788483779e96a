// Our checkpoints: a folder that holds a model, what its training needs to go
// on, and a manifest of it all.
//
//   step_00000123/
//     manifest.json            the model, the step, each file's size and sum
//     model.safetensors        weights under our names, in logical shapes
//     optimizer.safetensors    "WEIGHT.momentum", "WEIGHT.variance", ...
//     trainer.json, ...        documents: small texts that others define
//
// Shapes are global and without the padding of the vocabulary, so that a
// checkpoint doesn't depend on the layout that wrote it. The folder appears
// whole or not at all. docs/formats/checkpoint.md is the long form.
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dure/base/files.h"
#include "dure/base/log.h"
#include "dure/checkpoint/manifest.h"
#include "dure/checkpoint/safetensors.h"
#include "dure/checkpoint/safetensors_writer.h"
#include "dure/checkpoint/weight_source.h"

namespace dure::checkpoint {

inline constexpr const char* kManifestFile = "manifest.json";
inline constexpr const char* kModelFile = "model.safetensors";
inline constexpr const char* kOptimizerFile = "optimizer.safetensors";
inline constexpr const char* kTrainerFile = "trainer.json";

// Saving, first half: what will lie where. Pure: the same content gives the
// same plan on every rank.
struct CheckpointContent {
  Manifest manifest;                    // its files are set by saving
  std::vector<TensorHeader> model;      // every weight, in its logical shape
  std::vector<TensorHeader> optimizer;  // may be empty: weights alone
  std::map<std::string, std::string> documents = {};  // name -> text
};

struct CheckpointPlan {
  struct File {
    std::string name;
    SafetensorsLayout layout;
  };
  Manifest manifest;
  std::vector<File> files;
  std::map<std::string, std::string> documents;
};

// Error where a weight of the model is missing or of another shape, or two
// tensors have one name.
CheckpointPlan plan_checkpoint(CheckpointContent content);

// A tensor is saved in pieces, one after another from its first byte: of at
// most kPieceBytes, and of whole elements. The name is the plan's.
struct TensorPiece {
  std::string_view tensor;
  std::uint64_t first = 0;  // bytes [first, first + bytes) of the tensor
  std::uint64_t bytes = 0;
};
inline constexpr std::uint64_t kPieceBytes = std::uint64_t{8} << 20;

std::vector<TensorPiece> pieces_of(const PlacedTensor& tensor);

// All pieces of all files, in the order in which saving asks for them.
std::vector<TensorPiece> pieces_of(const CheckpointPlan& plan);

// Saving, second half. A source gives the bytes of a piece when they are
// wanted. Saving lets go of `owner` when they are written, and holds at most
// kInFlightBytes of pieces at a time: so a source that has to make copies needs
// no more memory than that, whatever the model. Where the bytes lie somewhere
// until save_checkpoint() returns, there is no owner.
struct PieceBytes {
  std::span<const std::byte> bytes = {};  // row-major
  std::shared_ptr<const void> owner = {};
};
using TensorSource = std::function<PieceBytes(const TensorPiece&)>;
inline constexpr std::uint64_t kInFlightBytes = std::uint64_t{64} << 20;

// Asks `source` for every piece once, in the order of pieces_of(), on the
// caller's thread, where owners are let go of, too; meanwhile writes the folder
// on several threads, and syncs it to disk. A checkpoint that stands there is
// replaced, whole by whole. Where the disk is full or the source throws: that
// Error, with nothing changed.
//
// Where tensors are spread over ranks, one calls this with a source that
// receives, and the others go through pieces_of() and send.
void save_checkpoint(const Path& folder,
                     const CheckpointPlan& plan,
                     const TensorSource& source);

// Writes a small text into the folder, for the manifest to list.
FileRecord write_document(const Path& folder,
                          const std::string& name,
                          const std::string& text);

// Where to put a tensor's bytes, in the file's dtype.
struct TensorTarget {
  std::string name;
  std::span<std::byte> bytes;
};

// Error for a folder without one, or with a damaged one; OtherVersion.
Manifest read_manifest(const Path& folder);

// A checkpoint, opened: manifest read, files of the right sizes, tensors of the
// right shapes. Error, with what is damaged, where they are not. Threads: any
// number may read.
class CheckpointReader {
 public:
  explicit CheckpointReader(const Path& folder);

  const Path& folder() const { return folder_; }
  const Manifest& manifest() const { return manifest_; }
  const SafetensorsFile& model() const { return model_; }

  // Error where it was saved without.
  const SafetensorsFile& optimizer() const;
  bool has_optimizer() const { return optimizer_.has_value(); }

  bool has_document(const std::string& name) const;
  std::vector<std::string> documents() const;           // their names
  std::string document(const std::string& name) const;  // Error: none

  // Error where a checkpoint of `wanted` would be another, naming what differs.
  void expect_model(const model::ModelConfig& wanted) const;

  // Reads everything and compares sums; Error for the first that differs.
  // Whoever opens what find_newest() or resolve_checkpoint() has not looked at
  // calls it before using anything.
  void verify() const;

 private:
  Path folder_;
  Manifest manifest_;
  SafetensorsFile model_;
  std::optional<SafetensorsFile> optimizer_;
};

// Copies tensors out of a file on several threads, faster than through its map.
// Error where one is not there or has another size.
void read_tensors(const SafetensorsFile& file,
                  std::span<const TensorTarget> targets);

// Copies some elements of a float tensor out of a file, as
// WeightSource::read_stretches() does; of F32 on several threads.
void read_stretches(const SafetensorsFile& file,
                    const std::string& name,
                    std::span<const mesh::Stretch> stretches,
                    std::span<float> out);

// A checkpoint as a source of weights.
class CheckpointWeights : public WeightSource {
 public:
  // What resolve_checkpoint() returned.
  explicit CheckpointWeights(const Path& folder) : reader_(folder) {}

  using WeightSource::read;
  const model::ModelConfig& config() const override {
    return reader_.manifest().model;
  }
  FileDtype dtype(const std::string& name) const override;
  std::int64_t read(const std::string& name,
                    FileDtype dtype,
                    std::span<std::byte> out) const override;
  void read_stretches(const std::string& name,
                      std::span<const mesh::Stretch> stretches,
                      std::span<float> out) const override;
  const CheckpointReader& reader() const { return reader_; }

 private:
  CheckpointReader reader_;
};

// ---- A run's folder, which holds step_N folders.

Path step_folder(const Path& root, std::int64_t step);

// What is named so in `root`, whole or not, by step, ascending; none where
// there is no such folder. Error where it can't be read.
struct StepFolder {
  std::int64_t step = 0;
  Path path;
};
std::vector<StepFolder> step_folders(const Path& root);

// How closely a checkpoint is looked at, to say that it is whole.
enum class Look : std::uint8_t {
  kSizes,  // its manifest, and the sizes, names and shapes of its files
  kSums,   // every byte, too: before anything of it is used
};

// The newest whole checkpoint of `root`, and what was passed over to find it.
// OtherVersion and, where this user may not read one, Error: what is not
// damaged is not passed over.
struct Newest {
  struct Damaged {
    Path path;
    std::string why;
  };
  std::optional<Path> whole;
  std::vector<Damaged> damaged;  // newer than it, the newest first
};
Newest find_newest(const Path& root, Look look);

// "damaged checkpoints are passed over: PATH (WHY), ...".
std::string describe(const std::vector<Newest::Damaged>& damaged);

// Where the step_N folders of `path` are: in it, or a run's in "checkpoints".
// Error where there is none.
Path find_steps(const Path& path);

// Removes all but the newest `keep` (1 or more) whole ones, damaged ones among
// them, and what killed processes left behind. Weights alone, which no run
// saved, stay. A run names the step that it has just saved: what has a later
// one is of before, and neither counts nor goes. Returns what it removed.
struct Pruning {
  std::int64_t keep = 1;
  Look look = Look::kSums;
  std::int64_t last_step = std::numeric_limits<std::int64_t>::max();
};
std::vector<Path> prune(const Path& root, const Pruning& pruning);

// `path` itself where it is a checkpoint, else the newest whole one in it, or
// in its folder "checkpoints": a run's. `log` hears of damaged ones that are
// passed over. Error: neither, or `path` itself is damaged.
Path resolve_checkpoint(const Path& path, Look look, const Log& log);

// As above, where none is passed over: `path` itself, or the newest by name.
// Every byte is compared; Error for what is damaged.
Path verify_checkpoint(const Path& path);

}  // namespace dure::checkpoint
