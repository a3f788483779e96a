// Parts of the JSON files of tokenizers, and errors that name them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "dure/base/check.h"
#include "dure/data/tokenizer/added_tokens.h"

namespace dure::data {

using Json = nlohmann::json;

// null where the key is missing: nothing was asked for.
const Json& part(const Json& object, const char* key);

// For messages: a value, but no structure, which may be long and deep.
std::string shown(const Json& value);

// false where the key is missing or null; throws Error for what is no flag.
bool flag(const Json& object, const char* key, const char* where);

// A token of this text with all that the object says of it, but without an id.
// Throws Error for what is not supported.
AddedToken parse_added_token(const Json& object, std::string text);

// What `parse` makes of the text. Errors of the JSON get the file's name.
template <typename Parse>
auto with_json_errors(std::string_view file,
                      std::string_view text,
                      const Parse& parse) {
  try {
    return parse(Json::parse(text));
  } catch (const Json::exception& e) {
    throw Error(concat(file, ": ", e.what()));
  }
}

}  // namespace dure::data
