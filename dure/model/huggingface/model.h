// Hugging Face's model of a family: read as ours, written from ours.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dure/model/config.h"

namespace dure {
class JsonFields;
}  // namespace dure

namespace dure::model {

enum class Layout : std::uint8_t { kSame, kTransposed };

// A weight of ours, and the tensors of theirs that it consists of: one, or one
// for each section of its cut (mesh::Cut), by rows. '#' stands for the number
// of the block. Names are those that save_pretrained of the model with its head
// writes.
struct ForeignName {
  std::string_view ours;
  std::string_view theirs[3];
  Layout layout = Layout::kSame;
};

struct HuggingFaceModel {
  const char* type;  // config.json's model_type
  std::span<const ForeignName> names;

  // What names lack where the model was saved without its head, "model.".
  std::string_view base;
  // How the names of tensors end that are no weights: constants that we
  // compute, which old files carry.
  std::span<const std::string_view> constants;

  // The model, from what is its own of config.json; the vocabulary's size and
  // whether the head is tied among it. Error for what ours can't be.
  ModelConfig (*read)(const JsonFields& fields);

  // The keys of config.json that read() takes, from a resolved config. What a
  // model can't say, its read() gives back otherwise, and it is not written.
  nlohmann::json (*write)(const ModelConfig& config);

  // A sentence for each setting that has no key, though the model computes the
  // same when it is used.
  std::vector<std::string> (*left_out)(const ModelConfig& config);
};

}  // namespace dure::model
