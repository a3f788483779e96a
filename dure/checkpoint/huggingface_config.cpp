#include "dure/checkpoint/huggingface_config.h"

#include <algorithm>
#include <fmt/core.h>

#include "dure/base/check.h"
#include "dure/base/json.h"
#include "dure/base/quote.h"
#include "dure/model/families/families.h"
#include "dure/model/families/keys.h"
#include "dure/model/huggingface/keys.h"
#include "dure/model/huggingface/model.h"

namespace dure::checkpoint {
namespace {

using model::Family;
using model::ModelConfig;
using nlohmann::json;

const Family& family_of(const JsonFields& fields) {
  const std::string type = fields.text("model_type");
  std::string known;
  for (const Family* family : model::families()) {
    if (family->huggingface == nullptr) {
      continue;
    }
    if (family->huggingface->type == type) {
      return *family;
    }
    known += fmt::format(
        "{}{}", known.empty() ? "" : ", ", family->huggingface->type);
  }
  throw Error("{}: model_type is {}; Dure converts {}",
              fields.source(),
              quoted(type),
              known);
}

ModelConfig valid(const ModelConfig& config, const std::string& source) {
  try {
    model::validate(config);
  } catch (const UsageError& error) {  // the file is wrong, not the usage
    throw Error("{}: {}", source, error.what());
  }
  return config;
}

}  // namespace

ModelConfig config_from_huggingface(std::string_view text,
                                    const std::string& source) {
  const json object = parse_object(text, source);
  const JsonFields fields(object, source);
  ModelConfig config = family_of(fields).huggingface->read(fields);
  config.init_std = fields.number_or("initializer_range", 0.02);
  model::check_unread(fields);
  return valid(model::resolve(config), source);
}

}  // namespace dure::checkpoint
