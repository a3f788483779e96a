// Our checkpoints: a folder with a model, the state that its training needs to
// go on, and a manifest.
//
//   step_00000123/
//     manifest.json            the model, the step, each file's size and sum
//     model.safetensors        weights under our names, in logical shapes
//     optimizer.safetensors    "WEIGHT.momentum", "WEIGHT.variance", ...
//     trainer.json, ...        documents: small texts that others define
//
// Shapes are global and without the padding of the vocabulary, so a checkpoint
// does not depend on the layout that wrote it. The folder appears whole or not
// at all. docs/formats/checkpoint.md describes it at length.
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
inline constexpr const char* kProductsFile = "products.json";

// The first half of saving: a plan of where everything will lie. It is pure:
// the same content gives the same plan on every rank.
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

// Throws Error if a weight of the model is missing or of another shape, or if
// two tensors have one name.
CheckpointPlan plan_checkpoint(CheckpointContent content);

// A tensor is saved in pieces, one after another from its first byte, of at
// most kPieceBytes and of whole elements. The name is the plan's.
struct TensorPiece {
  std::string_view tensor;
  std::uint64_t first = 0;  // bytes [first, first + bytes) of the tensor
  std::uint64_t bytes = 0;
};
inline constexpr std::uint64_t kPieceBytes = std::uint64_t{8} << 20;

std::vector<TensorPiece> pieces_of(const PlacedTensor& tensor);

// All pieces of all files, in the order in which saving asks for them.
std::vector<TensorPiece> pieces_of(const CheckpointPlan& plan);

// The second half of saving. A source returns the bytes of a piece when they
// are wanted. Saving releases `owner` when they are written, and holds at most
// kInFlightBytes of pieces at a time, so a source that makes copies needs no
// more memory than that, whatever the model. If the bytes stay in memory until
// save_checkpoint() returns, there is no owner.
struct PieceBytes {
  std::span<const std::byte> bytes = {};  // row-major
  std::shared_ptr<const void> owner = {};
};
using TensorSource = std::function<PieceBytes(const TensorPiece&)>;
inline constexpr std::uint64_t kInFlightBytes = std::uint64_t{64} << 20;

// Asks `source` for every piece once, in the order of pieces_of(), on the
// caller's thread, where owners are released, too. Meanwhile several threads
// write the folder and sync it to disk. An existing checkpoint is replaced as a
// whole. If the disk is full or the source throws, it throws that Error and
// changes nothing.
//
// If tensors are spread over ranks, one calls this with a source that receives,
// and the others go through pieces_of() and send.
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

// Throws Error for a folder without a manifest, or with a damaged one;
// OtherVersion for one of another version.
Manifest read_manifest(const Path& folder);

// An open checkpoint: manifest read, files of the right sizes, tensors of the
// right shapes. Throws Error, naming what is damaged, if they are not. Threads:
// any number may read.
class CheckpointReader {
 public:
  explicit CheckpointReader(const Path& folder);

  const Path& folder() const { return folder_; }
  const Manifest& manifest() const { return manifest_; }
  const SafetensorsFile& model() const { return model_; }

  // Throws Error if it was saved without one.
  const SafetensorsFile& optimizer() const;
  bool has_optimizer() const { return optimizer_.has_value(); }

  bool has_document(const std::string& name) const;
  std::vector<std::string> documents() const;           // their names
  std::string document(const std::string& name) const;  // Error: none

  // Throws Error, naming what differs, if a checkpoint of `wanted` would
  // differ.
  void expect_model(const model::ModelConfig& wanted) const;

  // Reads everything and compares sums; throws Error for the first that
  // differs. Call it before using a checkpoint that find_newest() or
  // resolve_checkpoint() has not verified.
  void verify() const;

 private:
  Path folder_;
  Manifest manifest_;
  SafetensorsFile model_;
  std::optional<SafetensorsFile> optimizer_;
};

// Copies tensors out of a file on several threads, which is faster than through
// its map. Throws Error if one is missing or has another size.
void read_tensors(const SafetensorsFile& file,
                  std::span<const TensorTarget> targets);

// Copies some elements of a float tensor out of a file, as
// WeightSource::read_stretches() does; F32 on several threads.
void read_stretches(const SafetensorsFile& file,
                    const std::string& name,
                    std::span<const mesh::Stretch> stretches,
                    std::span<float> out);

// A checkpoint as a source of weights.
class CheckpointWeights : public WeightSource {
 public:
  // `folder` is what resolve_checkpoint() returned.
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

// The step_N entries in `root`, whole or not, by step, ascending; none if there
// is no such folder. Throws Error if it can't be read.
struct StepFolder {
  std::int64_t step = 0;
  Path path;
};
std::vector<StepFolder> step_folders(const Path& root);

// How closely a checkpoint is verified.
enum class Look : std::uint8_t {
  kSizes,  // its manifest, and the sizes, names and shapes of its files
  kSums,   // every byte, too: before it is used
};

// The newest whole checkpoint of `root`, and the damaged ones newer than it.
// Throws OtherVersion, and Error for one that this user may not read: a
// checkpoint that is not damaged is not passed over.
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

// The folder that holds the step_N folders of `path`: itself, or a run's
// "checkpoints" in it. Throws Error if there is none.
Path find_steps(const Path& path);

// Removes all but the newest `keep` (1 or more) whole checkpoints, damaged ones
// among them, and the leftovers of killed processes. Weights alone, which no
// run saved, stay. A run gives the step that it has just saved as `last_step`:
// checkpoints with later steps are of an earlier run; they neither count nor
// go. Returns what it removed.
struct Pruning {
  std::int64_t keep = 1;
  Look look = Look::kSums;
  std::int64_t last_step = std::numeric_limits<std::int64_t>::max();
};
std::vector<Path> prune(const Path& root, const Pruning& pruning);

// `path` itself if it is a checkpoint, else the newest whole one in it, or in
// its folder "checkpoints", as a run has. `log` gets the damaged ones that are
// passed over. Throws Error if there is none, or if `path` itself is damaged.
Path resolve_checkpoint(const Path& path, Look look, const Log& log);

// Like resolve_checkpoint(), but passes over none: `path` itself, or the newest
// by name. Every byte is compared; throws Error for a damaged one.
Path verify_checkpoint(const Path& path);

}  // namespace dure::checkpoint
