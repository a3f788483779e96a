#include "dure/checkpoint/weight_source.h"

#include "dure/base/check.h"
#include "dure/base/quote.h"
#include "dure/checkpoint/checkpoint.h"
#include "dure/checkpoint/elements.h"
#include "dure/checkpoint/huggingface.h"

namespace dure::checkpoint {

namespace {

bool is_huggingface(const Path& folder) {
  return std::filesystem::exists(folder / "config.json");
}

void expect_folder(const Path& path) {
  DURE_CHECK(
      std::filesystem::is_directory(path),
      "{} is no folder; wanted a checkpoint of Dure's or a Hugging Face model",
      path.string());
}

}  // namespace

Path find_weights(const Path& path, const Log& log) {
  expect_folder(path);
  return is_huggingface(path) ? path
                              : resolve_checkpoint(path, Look::kSums, log);
}

model::ModelConfig model_of_weights(const Path& path) {
  expect_folder(path);
  if (is_huggingface(path)) {
    return huggingface_model(path);
  }
  const Log quiet({.level = Log::Level::kError});  // find_weights() has logged
  return read_manifest(resolve_checkpoint(path, Look::kSizes, quiet)).model;
}

std::unique_ptr<WeightSource> open_found_weights(const Path& folder) {
  if (is_huggingface(folder)) {
    return std::make_unique<HuggingFaceWeights>(folder);
  }
  return std::make_unique<CheckpointWeights>(folder);
}

std::unique_ptr<WeightSource> open_weights(const Path& path, const Log& log) {
  return open_found_weights(find_weights(path, log));
}

void expect_tensor(const TensorEntry& entry,
                   const Dims& wanted,
                   const std::string& file) {
  DURE_CHECK(entry.shape == wanted,
             "{}: tensor {} has shape {}, wanted {}",
             file,
             quoted(entry.name),
             to_string(entry.shape),
             to_string(wanted));
  DURE_CHECK(is_float(entry.dtype),
             "{}: tensor {} is {}, wanted F32, F16, BF16 or F64",
             file,
             quoted(entry.name),
             name_of(entry.dtype));
}

}  // namespace dure::checkpoint
