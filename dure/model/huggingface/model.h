// The form of a family at Hugging Face: how it is read and written.
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
// of the block. Names are those that save_pretrained writes for the model with
// its head.
struct ForeignName {
  std::string_view ours;
  std::string_view theirs[3];
  Layout layout = Layout::kSame;
};

struct HuggingFaceModel {
  const char* type;  // config.json's model_type
  std::span<const ForeignName> names;

  // The prefix that names lack if the model was saved without its head:
  // "model.".
  std::string_view base;
  // The ends of names of tensors that are not weights: constants that we
  // compute, which old files carry.
  std::span<const std::string_view> constants;

  // The model, from the keys of config.json that belong to it, with the
  // vocabulary's size and whether the head is tied. Throws Error for a model
  // that ours can't be.
  ModelConfig (*read)(const JsonFields& fields);

  // The keys of config.json that read() takes, from a resolved config. A
  // setting that has no key comes back changed from read(); such a model is not
  // written.
  nlohmann::json (*write)(const ModelConfig& config);

  // A sentence for each setting that has no key, although the model can compute
  // the same with it.
  std::vector<std::string> (*left_out)(const ModelConfig& config);
};

}  // namespace dure::model
