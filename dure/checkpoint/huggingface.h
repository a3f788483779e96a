// Hugging Face's GPT-2 and Llama models: read as ours, written from ours.
//
// foreign_weights() is a plan of how the two differ: for each weight of ours,
// the tensors of theirs that it consists of. GPT-2 stores its matrices (in,
// out) where ours are (out, in). Llama has separate q, k and v, and gate and
// up, where ours are fused by rows. Both rotate RoPE's halves as we do (pairs
// i, i + d/2), so no row moves within a head.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dure/checkpoint/huggingface_config.h"
#include "dure/checkpoint/safetensors.h"
#include "dure/checkpoint/tensor_files.h"
#include "dure/checkpoint/weight_source.h"
#include "dure/model/config.h"
#include "dure/model/huggingface/model.h"

namespace dure::checkpoint {

using model::Layout;

// One tensor of theirs: `rows` rows of ours from `first_row` on.
struct ForeignSlice {
  std::string name;
  std::int64_t first_row = 0;
  std::int64_t rows = 0;
  Layout layout = Layout::kSame;
  Dims shape;  // as theirs
};

struct ForeignWeight {
  std::string name;  // ours
  Dims shape;        // ours, logical
  std::vector<ForeignSlice> parts;
};

// The weights, in the order of model::weights(). Names are those that
// save_pretrained writes for the model with its head, "transformer.h.0...." and
// "model.layers.0....".
std::vector<ForeignWeight> foreign_weights(const model::ModelConfig& config);

// The model that the folder's config.json describes.
model::ModelConfig huggingface_model(const Path& folder);

// The weights of a folder with config.json and model.safetensors, or
// model.safetensors.index.json and its files. Names may lack the leading
// "transformer." or "model."; buffers (causal masks, RoPE's frequencies) and
// the copy of a tied head are left out. Throws Error if a tensor is missing, of
// another shape, or unknown, or if that copy differs.
class HuggingFaceWeights : public WeightSource {
 public:
  explicit HuggingFaceWeights(const Path& folder)
      : HuggingFaceWeights(folder, folder) {}

  // Takes the tensors from elsewhere: from one file, for example gradients
  // under the weights' names.
  HuggingFaceWeights(const Path& folder, const Path& tensors);

  using WeightSource::read;
  const model::ModelConfig& config() const override { return config_; }
  FileDtype dtype(const std::string& name) const override;
  std::int64_t read(const std::string& name,
                    FileDtype dtype,
                    std::span<std::byte> out) const override;
  // Reads all of the weight, even if only some of it is wanted.
  void read_stretches(const std::string& name,
                      std::span<const mesh::Stretch> stretches,
                      std::span<float> out) const override;

 private:
  const ForeignWeight& weight(const std::string& name) const;
  const TensorEntry* find(const std::string& name) const;
  void check_shapes() const;
  void check_unknown() const;
  void check_tied_head() const;

  model::ModelConfig config_;
  TensorFiles files_;
  std::vector<ForeignWeight> weights_;
  std::map<std::string, std::size_t> places_;  // in weights_, by name
};

struct ExportOptions {
  std::optional<FileDtype> dtype = std::nullopt;  // nothing: as it is
  std::uint64_t shard_bytes = std::uint64_t{5} << 30;
  // Small texts to copy along, such as a tokenizer's files: name -> text.
  std::map<std::string, std::string> documents = {};
  SpecialIds ids = {};  // of that tokenizer
};

// Writes config.json and the weights, in files of at most shard_bytes unless a
// single tensor is larger. The folder must not exist; it appears whole. Throws
// Error as Conversion does, and returns sentences about what has changed.
std::vector<std::string> write_huggingface(const WeightSource& source,
                                           const Path& folder,
                                           const ExportOptions& options = {});

}  // namespace dure::checkpoint
