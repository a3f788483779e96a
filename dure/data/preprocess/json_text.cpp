#include "dure/data/preprocess/json_text.h"

#include <optional>
#include <simdjson.h>
#include <utility>

#include "dure/base/check.h"

namespace dure::data {
namespace {

namespace ondemand = simdjson::ondemand;

// A reason for users, as simdjson's own texts are for its programmers.
std::string reason(simdjson::error_code error) {
  switch (error) {
    case simdjson::UTF8_ERROR:
      return "it is not valid UTF-8";
    case simdjson::STRING_ERROR:
      return "a string has a wrong escape, such as half a surrogate pair";
    case simdjson::UNCLOSED_STRING:
      return "a string is not closed";
    case simdjson::INCORRECT_TYPE:
      return "wanted an object and in it a string, found another type";
    case simdjson::INCOMPLETE_ARRAY_OR_OBJECT:
      return "a bracket is not closed; wanted a whole object on one line";
    case simdjson::EMPTY:
      return "there is nothing";
    default:
      return "a character is out of place";
  }
}

[[noreturn]] void refuse(simdjson::error_code error) {
  throw Error("not valid JSON: {}", reason(error));
}

template <typename T>
T value_of(simdjson::simdjson_result<T>&& result) {
  T value{};
  const simdjson::error_code error = std::move(result).get(value);
  if (error != simdjson::SUCCESS) {
    refuse(error);
  }
  return value;
}

}  // namespace

static_assert(JsonText::kPadding >= simdjson::SIMDJSON_PADDING);

struct JsonText::Parser {
  ondemand::parser parser;
};

JsonText::JsonText(std::string key)
    : key_(std::move(key)), parser_(std::make_unique<Parser>()) {}

JsonText::~JsonText() = default;

std::string_view JsonText::text(std::string_view line) {
  ondemand::document document = value_of(parser_->parser.iterate(
      line.data(), line.size(), line.size() + kPadding));
  ondemand::object object = value_of(document.get_object());
  std::optional<std::string_view> found;
  for (auto result : object) {
    ondemand::field field = value_of(std::move(result));
    if (!found && value_of(field.unescaped_key()) == key_) {
      found = value_of(field.value().get_string());
    }
  }
  // At the end there is no location.
  if (document.current_location().error() == simdjson::SUCCESS) {
    throw Error("not valid JSON: something follows the object");
  }
  if (!found) {
    throw Error(
        "the object has no key \"{}\"; --text-key names the one "
        "that holds the text",
        key_);
  }
  return *found;
}

}  // namespace dure::data
