// A model's weights, wherever they lie: in a checkpoint of ours, or in Hugging
// Face's files. What trains, evaluates, generates and converts reads them here.
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

  // Resolved: no dimension is 0.
  virtual const model::ModelConfig& config() const = 0;

  // As the file holds it. `name` is one of model::weights(config()).
  virtual FileDtype dtype(const std::string& name) const = 0;

  // All of the weight, row-major, in its logical shape (without the padding of
  // the vocabulary) and our layout, as `dtype`: one of F32, F16, BF16, F64.
  // Error where a value is beyond the type's, or is not 0 but would be in F32;
  // returns how many others became 0.
  virtual std::int64_t read(const std::string& name,
                            FileDtype dtype,
                            std::span<std::byte> out) const = 0;

  void read(const std::string& name, std::span<float> out) const {
    read(name, FileDtype::kF32, std::as_writable_bytes(out));
  }

  // Some elements of the weight, as F32: out[s.local + i] = weight[s.global +
  // i] for each stretch s; what else `out` has stays. Elements are counted in
  // the logical shape.
  virtual void read_stretches(const std::string& name,
                              std::span<const mesh::Stretch> stretches,
                              std::span<float> out) const = 0;
};

// The weights of `path`: a checkpoint of ours (a folder with manifest.json), a
// folder of such (the newest whole one; `log` hears of damaged ones that are
// passed over), or a Hugging Face folder (with config.json). Error where it is
// neither, where its tensors are not the model's, or where a checkpoint's bytes
// are not those that were saved.
std::unique_ptr<WeightSource> open_weights(const Path& path, const Log& log);

// The first half of it: the folder, looked for and compared with its sums.
// Where several ranks open it, one does this, and the others take the folder.
Path find_weights(const Path& path, const Log& log);

// The model that they are of, by a look at what describes it alone: where the
// newest checkpoint is damaged, find_weights() may come to another.
model::ModelConfig model_of_weights(const Path& path);

// The second half, of a folder that find_weights() returned.
std::unique_ptr<WeightSource> open_found_weights(const Path& folder);

// What a WeightSource checks when it opens: that `entry` is of the shape and
// holds floats. `file` is for the message.
void expect_tensor(const TensorEntry& entry,
                   const Dims& wanted,
                   const std::string& file);

}  // namespace dure::checkpoint
