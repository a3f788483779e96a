#include "dure/data/tokenizer/json_parts.h"

#include <utility>

#include "dure/base/quote.h"

namespace dure::data {

const Json& part(const Json& object, const char* key) {
  static const Json null;
  const auto found = object.find(key);
  return found == object.end() ? null : *found;
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
             where,
             ".",
             key,
             " must be true or false, got ",
             shown(value));
  return value.is_boolean() && value.get<bool>();
}

AddedToken parse_added_token(const Json& object, std::string text) {
  DURE_CHECK(!flag(object, "single_word", "added token"),
             "the added token ",
             quoted(text),
             " has single_word, which is not supported");
  AddedToken token;
  token.text = std::move(text);
  token.strip_left = flag(object, "lstrip", "added token");
  token.strip_right = flag(object, "rstrip", "added token");
  token.normalized = flag(object, "normalized", "added token");
  token.special = flag(object, "special", "added token");
  return token;
}

}  // namespace dure::data
