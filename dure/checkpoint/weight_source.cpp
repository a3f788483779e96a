#include "dure/checkpoint/weight_source.h"

#include "dure/base/check.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/checkpoint/elements.h"
#include "dure/checkpoint/huggingface.h"

namespace dure::checkpoint {

std::unique_ptr<WeightSource> open_weights(const Path& path) {
  DURE_CHECK(std::filesystem::is_directory(path),
             path.string(),
             " is no folder; wanted a checkpoint of Dure's or a Hugging Face "
             "model");
  if (std::filesystem::exists(path / "config.json")) {
    return std::make_unique<HuggingFaceWeights>(path);
  }
  return std::make_unique<CheckpointWeights>(resolve_checkpoint(path));
}

void expect_tensor(const TensorEntry& entry,
                   const Dims& wanted,
                   const std::string& file) {
  DURE_CHECK(entry.shape == wanted,
             file,
             ": tensor ",
             entry.name,
             " has shape ",
             to_string(entry.shape),
             ", wanted ",
             to_string(wanted));
  DURE_CHECK(is_float(entry.dtype),
             file,
             ": tensor ",
             entry.name,
             " is ",
             name_of(entry.dtype),
             ", wanted F32, F16 or BF16");
}

}  // namespace dure::checkpoint
