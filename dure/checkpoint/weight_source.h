// A model's weights, in a checkpoint of ours or in Hugging Face's files.
// Training, evaluation, generation and conversion read them through this.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "dure/base/files.h"
#include "dure/base/log.h"
#include "dure/checkpoint/safetensors.h"
#include "dure/mesh/placement.h"
#include "dure/model/config.h"

namespace dure::checkpoint {

// Threads: any number may read.
class WeightSource {
 public:
  virtual ~WeightSource() = default;

  // The config is resolved: no dimension is 0.
  virtual const model::ModelConfig& config() const = 0;

  // The file's type. `name` is one of model::weights(config()).
  virtual FileDtype dtype(const std::string& name) const = 0;

  // Reads all of the weight, row-major, in its logical shape (without the
  // padding of the vocabulary) and our layout, as `dtype`: one of F32, F16,
  // BF16, F64. Throws Error if a value is beyond the type's range, or is not 0
  // but would be in F32. Returns how many others became 0.
  virtual std::int64_t read(const std::string& name,
                            FileDtype dtype,
                            std::span<std::byte> out) const = 0;

  void read(const std::string& name, std::span<float> out) const {
    read(name, FileDtype::kF32, std::as_writable_bytes(out));
  }

  // Reads some elements of the weight, as F32: out[s.local + i] =
  // weight[s.global + i] for each stretch s; the rest of `out` stays. Elements
  // are counted in the logical shape.
  virtual void read_stretches(const std::string& name,
                              std::span<const mesh::Stretch> stretches,
                              std::span<float> out) const = 0;
};

// The weights of `path`: a checkpoint of ours (a folder with manifest.json), a
// folder of checkpoints (the newest whole one; `log` gets the damaged ones that
// are passed over), or a Hugging Face folder (with config.json). Throws Error
// if it is neither, if its tensors are not the model's, or if a checkpoint's
// bytes have changed.
std::unique_ptr<WeightSource> open_weights(const Path& path, const Log& log);

// The first half of open_weights(): finds the folder and compares it with its
// sums. If several ranks open it, one does this, and the others take the
// folder.
Path find_weights(const Path& path, const Log& log);

// The model of the weights, from its description alone. If the newest
// checkpoint is damaged, find_weights() may find another.
model::ModelConfig model_of_weights(const Path& path);

// The second half, for a folder that find_weights() returned.
std::unique_ptr<WeightSource> open_found_weights(const Path& folder);

// A check of a WeightSource when it opens: `entry` has the shape and holds
// floats. `file` is for the message.
void expect_tensor(const TensorEntry& entry,
                   const Dims& wanted,
                   const std::string& file);

}  // namespace dure::checkpoint
