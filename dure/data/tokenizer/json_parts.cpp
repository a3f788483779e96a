#include "dure/data/tokenizer/json_parts.h"

#include <utility>

#include "dure/base/quote.h"
#include "dure/data/tokenizer/code_points.h"

namespace dure::data {

const Json& part(const Json& object, const char* key) {
  static const Json null;
  const auto found = object.find(key);
  return found == object.end() ? null : *found;
}

std::string type_of(const Json& object) {
  const Json& type = object.is_object() ? part(object, "type") : object;
  return type.is_string() ? type.get<std::string>() : "without a type";
}

std::vector<Json> stages_of(const Json& object, const char* key) {
  if (object.is_null()) {
    return {};
  }
  if (type_of(object) != "Sequence") {
    return {object};
  }
  const Json& list = part(object, key);
  DURE_CHECK(list.is_array(),
             "a Sequence must have its parts in {}, got {}",
             quoted(key),
             shown(list));
  std::vector<Json> stages;
  for (const Json& stage : list) {
    for (Json& inner : stages_of(stage, key)) {
      stages.push_back(std::move(inner));
    }
  }
  return stages;
}

const std::string& text_in(const Json& object, const char* key) {
  const Json& value = part(object, key);
  DURE_CHECK(value.is_string(),
             "{}.{} must be a text, got {}",
             type_of(object),
             key,
             shown(value));
  return value.get_ref<const std::string&>();
}

JsonPattern pattern_in(const Json& object) {
  const Json& pattern = part(object, "pattern");
  DURE_CHECK(pattern.is_object() && pattern.size() == 1,
             "a {} has no pattern: it must be {{\"String\": ...}} or "
             "{{\"Regex\": ...}}, got {}",
             type_of(object),
             shown(pattern));
  const bool is_regex = pattern.contains("Regex");
  const std::string& text = text_in(pattern, is_regex ? "Regex" : "String");
  DURE_CHECK(
      !text.empty(), "a {} has a pattern of no characters", type_of(object));
  return {is_regex ? JsonPattern::Kind::kRegex : JsonPattern::Kind::kText,
          text};
}

std::string metaspace_of(const Json& object) {
  const std::string& space = text_in(object, "replacement");
  DURE_CHECK(!space.empty() && character_at(space, 0).bytes == space.size(),
             "Metaspace.replacement must be one character, got {}",
             quoted(space));
  return space;
}

std::string shown(const Json& value) {
  if (value.is_structured()) {
    return value.type_name();
  }
  return value.is_string() ? quoted(value.get_ref<const std::string&>())
                           : value.dump();
}

bool flag(const Json& object, const char* key, const char* where) {
  const Json& value = part(object, key);
  DURE_CHECK(value.is_null() || value.is_boolean(),
             "{}.{} must be true or false, got {}",
             where,
             key,
             shown(value));
  return value.is_boolean() && value.get<bool>();
}

AddedToken parse_added_token(const Json& object, std::string text) {
  AddedToken token;
  token.text = std::move(text);
  token.strip_left = flag(object, "lstrip", "added token");
  token.strip_right = flag(object, "rstrip", "added token");
  token.single_word = flag(object, "single_word", "added token");
  token.normalized = flag(object, "normalized", "added token");
  token.special = flag(object, "special", "added token");
  return token;
}

}  // namespace dure::data
