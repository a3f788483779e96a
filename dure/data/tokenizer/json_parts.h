// Parts of the JSON files of tokenizers, and errors that name them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "dure/base/check.h"
#include "dure/data/tokenizer/added_tokens.h"

namespace dure::data {

using Json = nlohmann::json;

// The part under the key; null if it is missing.
const Json& part(const Json& object, const char* key);

// The "type" of a part.
std::string type_of(const Json& object);

// The stages of a Sequence under `key`, with inner Sequences opened, or the
// single stage; empty for null.
std::vector<Json> stages_of(const Json& object, const char* key);

// The text under `key`; throws Error if it is not a text.
const std::string& text_in(const Json& object, const char* key);

// "pattern" of Split and Replace: {"String": s} or {"Regex": s}.
struct JsonPattern {
  enum class Kind { kText, kRegex };
  Kind kind;
  std::string text;
};
JsonPattern pattern_in(const Json& object);

// The character that a Metaspace writes for a space, usually "▁".
std::string metaspace_of(const Json& object);

// A value for messages, but no structure, which may be long and deep.
std::string shown(const Json& value);

// A flag; false if the key is missing or null. Throws Error for anything else.
bool flag(const Json& object, const char* key, const char* where);

// A token of this text with all that the object says about it, but no id.
AddedToken parse_added_token(const Json& object, std::string text);

// The result of `parse` on the text. Errors of the JSON get the file's name.
template <typename Parse>
auto with_json_errors(std::string_view file,
                      std::string_view text,
                      const Parse& parse) {
  try {
    return parse(Json::parse(text));
  } catch (const Json::exception& e) {
    throw Error("{}: {}", file, e.what());
  }
}

}  // namespace dure::data
