#include "dure/base/check.h"
#include "dure/base/json.h"
#include "dure/checkpoint/huggingface_config.h"
#include "dure/checkpoint/manifest.h"
#include "dure/model/family.h"
#include "dure/model/huggingface/model.h"

namespace dure::checkpoint {
namespace {

using model::ModelConfig;
using model::Position;
using nlohmann::json;

const char* torch_name(FileDtype dtype) {
  switch (dtype) {
    case FileDtype::kBf16:
      return "bfloat16";
    case FileDtype::kF16:
      return "float16";
    case FileDtype::kF64:
      return "float64";
    default:
      return "float32";
  }
}

const model::HuggingFaceModel& huggingface_of(const ModelConfig& config) {
  const model::HuggingFaceModel* theirs = config.family->huggingface;
  DURE_CHECK(theirs != nullptr,
             "Hugging Face has no model of the family {}",
             config.family->name);
  return *theirs;
}

// Checks that the text reads back as the model, except for unused settings.
void expect_same_back(const std::string& text, const ModelConfig& config) {
  ModelConfig back = config_from_huggingface(text, "config.json");
  if (config.position != Position::kRope) {
    back.rope_theta = config.rope_theta;
  }
  const std::string difference = model_difference(back, config);
  DURE_CHECK(difference.empty(),
             "Hugging Face's model of the family {} can't be written so: {}",
             config.family->name,
             difference);
}

json id_or_null(std::optional<std::int32_t> id) {
  return id ? json(*id) : json(nullptr);
}

}  // namespace

std::vector<std::string> huggingface_leaves_out(const ModelConfig& config) {
  return huggingface_of(config).left_out(config);
}

std::string config_to_huggingface(const ModelConfig& given,
                                  FileDtype dtype,
                                  const SpecialIds& ids) {
  const ModelConfig config = model::resolve(given);
  const model::HuggingFaceModel& theirs = huggingface_of(config);
  json object = theirs.write(config);
  object["model_type"] = theirs.type;
  object["vocab_size"] = config.vocabulary;
  object["tie_word_embeddings"] = config.tie_embeddings;
  object["initializer_range"] = config.init_std;
  object["torch_dtype"] = torch_name(dtype);
  // If they were left out, Transformers would take those of the published
  // models.
  object["bos_token_id"] = id_or_null(ids.beginning);
  object["eos_token_id"] = id_or_null(ids.end);
  const std::string text = object.dump(2) + "\n";
  expect_same_back(text, config);
  return text;
}

}  // namespace dure::checkpoint
