#include "dure/config/profile_file.h"

#include <fmt/core.h>

#include "dure/base/check.h"
#include "dure/base/json.h"
#include "dure/base/quote.h"
#include "dure/checkpoint/manifest.h"
#include "dure/model/stage_split.h"

namespace dure::train {
namespace {

using model::LayerProfile;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kFormat = "dure-profile";

// The limit keeps every sum over a model's layers within a double's range.
constexpr double kMost = 1e18;

double between(const JsonFields& fields, const char* key, double least) {
  const double value = fields.number(key);
  DURE_CHECK(value >= least && value <= kMost,
             "{}: {}: wanted {:g} to {:g}, found {:g}",
             fields.source(),
             key,
             least,
             kMost,
             value);
  return value;
}

LayerProfile layer_from(const json& value,
                        const std::string& wanted,
                        std::size_t i,
                        const std::string& source) {
  const std::string where = fmt::format("{}: layers: {}", source, i);
  DURE_CHECK(value.is_object(), "{}: wanted an object", where);
  const JsonFields fields(value, where);
  const std::string type = fields.text("type");
  DURE_CHECK(type == wanted,
             "{}: wanted type {}, found {}",
             where,
             wanted,
             quoted(type));
  return {.forward_seconds = between(fields, "forward_seconds", 0),
          .backward_seconds = between(fields, "backward_seconds", 0),
          .output_bytes = between(fields, "output_bytes", 0),
          .weight_bytes = between(fields, "weight_bytes", 0)};
}

}  // namespace

std::string to_json(const ProfileFile& file) {
  ordered_json layers = ordered_json::array();
  const std::vector<model::Layer> types = model::split_layers(file.model);
  for (const LayerProfile& layer : file.profile.layers) {
    layers.push_back({{"type", types[layers.size()].type},
                      {"forward_seconds", layer.forward_seconds},
                      {"backward_seconds", layer.backward_seconds},
                      {"output_bytes", layer.output_bytes},
                      {"weight_bytes", layer.weight_bytes}});
  }
  const ordered_json object = {
      {"format", kFormat},
      {"version", kProfileVersion},
      {"model", ordered_json::parse(checkpoint::model_to_json(file.model))},
      {"micro_batch", file.micro_batch},
      {"sequence", file.sequence},
      {"threads", file.threads},
      {"link_bytes_per_second", file.profile.link_bytes_per_second},
      {"layers", layers}};
  return object.dump(2) + "\n";
}

ProfileFile profile_from_json(std::string_view text,
                              const std::string& source) {
  const json object = parse_object(text, source);
  const JsonFields fields(object, source);
  DURE_CHECK(fields.text_or("format", "") == kFormat,
             "{}: not a profile of Dure's (format is not {}); `dure plan "
             "profile` writes one",
             source,
             kFormat);
  const std::int64_t version = fields.integer("version");
  DURE_CHECK(version == kProfileVersion,
             "{}: has version {} of the format; this program reads version {}",
             source,
             version,
             kProfileVersion);
  ProfileFile file{.model = checkpoint::model_from_json(
                       fields.object("model").dump(), source),
                   .micro_batch = fields.positive("micro_batch"),
                   .sequence = fields.positive("sequence"),
                   .threads = fields.positive("threads"),
                   .profile = {.layers = {},
                               .link_bytes_per_second = between(
                                   fields, "link_bytes_per_second", 1)}};
  const json& layers = fields.array("layers");
  const std::vector<model::Layer> wanted = model::split_layers(file.model);
  DURE_CHECK(
      layers.size() == wanted.size(),
      "{}: layers: wanted {}, the embedding, the blocks and the head, found {}",
      source,
      wanted.size(),
      layers.size());
  for (const json& layer : layers) {
    const std::size_t i = file.profile.layers.size();
    file.profile.layers.push_back(layer_from(layer, wanted[i].type, i, source));
  }
  return file;
}

}  // namespace dure::train
