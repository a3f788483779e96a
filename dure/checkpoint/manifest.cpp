#include "dure/checkpoint/manifest.h"

#include <algorithm>
#include <fmt/format.h>

#include "dure/base/check.h"
#include "dure/base/fields.h"
#include "dure/base/json.h"
#include "dure/base/quote.h"
#include "dure/checkpoint/parallel_io.h"
#include "dure/model/families/keys.h"

namespace dure::checkpoint {
namespace {

using model::ModelConfig;
using nlohmann::json;

constexpr const char* kFormat = "dure-checkpoint";
constexpr const char* kSum = "xxh64";  // of all the rest
constexpr std::string_view kKeys[] = {"format",
                                      "version",
                                      "step",
                                      "consumed_samples",
                                      "seed",
                                      "config_hash",
                                      "commit",
                                      "model",
                                      "files",
                                      kSum};
constexpr std::string_view kFree[] = {"preset",
                                      "embedding_dropout",
                                      "attention_dropout",
                                      "hidden_dropout",
                                      "dropout",
                                      "init_std"};
constexpr std::string_view kFreeOfRope[] = {"max_sequence", "rope_theta"};

template <std::size_t kCount>
bool is_among(const std::string_view (&names)[kCount],
              const std::string& name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

std::uint64_t from_hex(const std::string& text, const std::string& source) {
  const bool digits =
      text.size() == 16 &&
      text.find_first_not_of("0123456789abcdef") == std::string::npos;
  DURE_CHECK(digits, "{}: xxh64: wanted 16 hexadecimal digits", source);
  return std::stoull(text, nullptr, 16);
}

// A field's value in TOML is JSON too: numbers, strings, true and false.
json model_object(ModelConfig config) {
  Fields fields;
  visit(fields, config);
  json object = json::object();
  for (const Field& field : fields.all()) {
    object[field.name] = json::parse(field.text());
  }
  return object;
}

Setting setting_of(const std::string& key,
                   const json& value,
                   const std::string& source) {
  Setting setting{.key = "model." + key,
                  .value = Setting::Other{},
                  .text = value.dump(),
                  .where = source,
                  .from = Setting::From::kFile};
  if (value.is_boolean()) {
    setting.value = value.get<bool>();
  } else if (value.is_number_integer()) {
    setting.value = value.get<std::int64_t>();
  } else if (value.is_number()) {
    setting.value = value.get<double>();
  } else if (value.is_string()) {
    setting.value = value.get<std::string>();
  }
  return setting;
}

ModelConfig model_from(const json& object, const std::string& source) {
  std::vector<Setting> settings;
  for (const auto& [key, value] : object.items()) {
    settings.push_back(setting_of(key, value, source));
  }
  ModelConfig config;
  Fields fields;
  visit(fields, config);
  try {
    apply_settings(fields, settings);
    config = model::resolve(config);
    model::validate(config);
  } catch (const UsageError& error) {  // the file is wrong, not the usage
    throw Error("{}: {}", source, error.what());
  }
  return config;
}

// The sum of the object without its sum, as it is written.
std::string sum_of(json object) {
  object.erase(kSum);
  const std::string text = object.dump(2);
  return hex_of(xxh64(std::as_bytes(std::span(text))));
}

// Manifests of versions without a sum are accepted. The text must be as it was
// written, too: 1E-05 for 1e-05 differs by a bit.
void check_sum(const json& object,
               std::string_view text,
               const std::string& source) {
  if (object.contains(kSum)) {
    DURE_CHECK(
        object[kSum] == sum_of(object) && text == object.dump(2) + "\n",
        "{} is damaged, not as it was written: its sum is {}, and it says {}",
        source,
        sum_of(object),
        quoted(object[kSum].dump()));
  }
}

// An unknown key is one whose name was damaged, because another version would
// say so.
void check_keys(const json& object, const std::string& source) {
  for (const auto& [key, value] : object.items()) {
    DURE_CHECK(is_among(kKeys, key),
               "{}: no manifest has a key {}",
               source,
               quoted(key));
  }
}

void check_version(const JsonFields& fields) {
  const std::int64_t version = fields.integer("version");
  if (version != kManifestVersion) {
    throw OtherVersion(
        "{}: has version {} of the format; this program reads "
        "version {}: take the one that wrote it",
        fields.source(),
        version,
        kManifestVersion);
  }
}

FileRecord file_from(const json& value, const std::string& source) {
  DURE_CHECK(value.is_object(), "{}: files: wanted objects", source);
  const JsonFields fields(value, source + ": files");
  const std::string name = fields.text("name");
  const bool beside = !name.empty() && name.front() != '.' &&
                      name.find('/') == std::string::npos;
  DURE_CHECK(
      beside, "{}: files: wanted a plain name, found {}", source, quoted(name));
  return {.name = name,
          .bytes = static_cast<std::uint64_t>(fields.whole("bytes")),
          .xxh64 = from_hex(fields.text("xxh64"), fields.source())};
}

}  // namespace

std::string hex_of(std::uint64_t sum) {
  return fmt::format("{:016x}", sum);
}

std::string model_to_json(const ModelConfig& config) {
  return model_object(config).dump();
}

ModelConfig model_from_json(std::string_view text, const std::string& source) {
  return model_from(parse_object(text, source), source);
}

std::string to_json(const Manifest& manifest) {
  json files = json::array();
  for (const FileRecord& file : manifest.files) {
    files.push_back({{"name", file.name},
                     {"bytes", file.bytes},
                     {"xxh64", hex_of(file.xxh64)}});
  }
  json object = {{"format", kFormat},
                 {"version", kManifestVersion},
                 {"step", manifest.step},
                 {"consumed_samples", manifest.consumed_samples},
                 {"seed", manifest.seed},
                 {"config_hash", manifest.config_hash},
                 {"commit", manifest.commit},
                 {"model", model_object(manifest.model)},
                 {"files", files}};
  object[kSum] = sum_of(object);
  return object.dump(2) + "\n";
}

Manifest manifest_from_json(std::string_view text, const std::string& source) {
  const json object = parse_object(text, source);
  const JsonFields fields(object, source);
  DURE_CHECK(fields.text_or("format", "") == kFormat,
             "{}: not a checkpoint of Dure's (format is not {})",
             source,
             kFormat);
  check_sum(object, text, source);
  check_version(fields);
  check_keys(object, source);
  Manifest manifest{.model = model_from(fields.object("model"), source),
                    .step = fields.whole("step"),
                    .consumed_samples = fields.whole("consumed_samples"),
                    .seed = fields.integer("seed"),
                    .config_hash = fields.text_or("config_hash", ""),
                    .commit = fields.text_or("commit", "")};
  for (const json& file : fields.array("files")) {
    manifest.files.push_back(file_from(file, source));
  }
  return manifest;
}

std::string model_difference(const ModelConfig& there,
                             const ModelConfig& wanted,
                             ModelMatch alike) {
  const bool free_rope = alike == ModelMatch::kInWeights &&
                         wanted.position == model::Position::kRope;
  ModelConfig a = model::resolve(there);
  ModelConfig b = model::resolve(wanted);
  Fields fields_a;
  Fields fields_b;
  visit(fields_a, a);
  visit(fields_b, b);
  for (std::size_t i = 0; i < fields_a.all().size(); ++i) {
    const Field& field = fields_a.all()[i];
    const std::string found = field.text();
    const std::string want = fields_b.all()[i].text();
    const bool free = is_among(kFree, field.name) ||
                      (free_rope && is_among(kFreeOfRope, field.name));
    if (found != want && !free) {
      return fmt::format("{} is {} there, wanted {}", field.key(), found, want);
    }
  }
  return "";
}

}  // namespace dure::checkpoint
