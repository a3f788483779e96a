#include "dure/base/json.h"

#include <set>
#include <utility>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/quote.h"

namespace dure {
namespace {

using nlohmann::json;

constexpr int kDeepest = 16;

// Beyond it JSON's readers disagree on whole numbers (RFC 8259, section 6), and
// below it counts can be added and doubled safely.
constexpr std::int64_t kMostCounted = std::int64_t{1} << 53;

// Reads to the end, and throws for a repeated key, of which the parser itself
// would silently keep the last, and for deep nesting. It leaves the errors of
// JSON to the parser. It is not the parser's callback: with a callback the
// parser looks again at all of an object's values whenever one of them ends,
// and a header has tens of thousands.
class Strict : public nlohmann::json_sax<json> {
 public:
  explicit Strict(const std::string& source) : source_(source) {}

  bool start_object(std::size_t /*elements*/) override {
    keys_.emplace_back();
    return open();
  }
  bool end_object() override {
    keys_.pop_back();
    return close();
  }
  bool start_array(std::size_t /*elements*/) override { return open(); }
  bool end_array() override { return close(); }

  bool key(std::string& key) override {
    DURE_CHECK(keys_.back().insert(key).second,
               "{}: has {} twice",
               source_,
               quoted(key));
    return true;
  }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(std::int64_t) override { return true; }
  bool number_unsigned(std::uint64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool string(std::string&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool parse_error(std::size_t,
                   const std::string&,
                   const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  bool open() {
    DURE_CHECK(
        ++depth_ <= kDeepest, "{}: nested deeper than {}", source_, kDeepest);
    return true;
  }
  bool close() {
    --depth_;
    return true;
  }

  const std::string& source_;
  int depth_ = 0;
  std::vector<std::set<std::string>> keys_;
};

}  // namespace

json parse_object(std::string_view text, const std::string& source) {
  json value;
  try {
    Strict strict(source);
    json::sax_parse(text, &strict);
    value = json::parse(text);
  } catch (const json::exception& error) {
    DURE_CHECK(false, "{}: not JSON: {}", source, error.what());
  }
  DURE_CHECK(value.is_object(),
             "{}: wanted a JSON object, found {}",
             source,
             value.type_name());
  return value;
}

bool JsonFields::has(const char* key) const {
  read_.insert(key);
  const auto found = object_.find(key);
  return found != object_.end() && !found->is_null();
}

const json& JsonFields::required(const char* key) const {
  DURE_CHECK(has(key), "{}: has no {}", source_, key);
  return object_.at(key);
}

std::vector<std::string> JsonFields::unread() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object_.items()) {
    if (read_.count(key) == 0) {
      keys.push_back(key);
    }
  }
  return keys;
}

std::string JsonFields::shown(const std::string& key) const {
  constexpr std::size_t kLongest = 60;
  std::string text =
      object_.at(key).dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > kLongest) {
    text.resize(kLongest);
    text += "...";
  }
  return text;
}

void JsonFields::refuse(const char* key, const char* wanted) const {
  DURE_CHECK(
      false, "{}: {}: wanted {}, found {}", source_, key, wanted, shown(key));
  std::abort();  // not reached
}

std::int64_t JsonFields::integer(const char* key) const {
  const json& value = required(key);
  if (!value.is_number_integer() ||
      (value.is_number_unsigned() && value.get<std::uint64_t>() >> 63 != 0)) {
    refuse(key, "an integer");
  }
  return value.get<std::int64_t>();
}

std::int64_t JsonFields::whole(const char* key) const {
  const std::int64_t value = integer(key);
  if (value < 0 || value > kMostCounted) {
    refuse(key, "a whole number from 0 to 2^53");
  }
  return value;
}

std::int64_t JsonFields::positive(const char* key) const {
  const std::int64_t value = integer(key);
  if (value <= 0 || value > kMostCounted) {
    refuse(key, "a positive integer up to 2^53");
  }
  return value;
}

std::int64_t JsonFields::positive_or(const char* key,
                                     std::int64_t otherwise) const {
  return has(key) ? positive(key) : otherwise;
}

double JsonFields::number(const char* key) const {
  const json& value = required(key);
  if (!value.is_number()) {
    refuse(key, "a number");
  }
  return value.get<double>();
}

double JsonFields::number_or(const char* key, double otherwise) const {
  return has(key) ? number(key) : otherwise;
}

bool JsonFields::truth_or(const char* key, bool otherwise) const {
  if (!has(key)) {
    return otherwise;
  }
  if (!object_.at(key).is_boolean()) {
    refuse(key, "true or false");
  }
  return object_.at(key).get<bool>();
}

std::string JsonFields::text(const char* key) const {
  const json& value = required(key);
  if (!value.is_string()) {
    refuse(key, "a string");
  }
  return value.get<std::string>();
}

std::string JsonFields::text_or(const char* key,
                                const std::string& otherwise) const {
  return has(key) ? text(key) : otherwise;
}

const json& JsonFields::object(const char* key) const {
  if (!required(key).is_object()) {
    refuse(key, "an object");
  }
  return object_.at(key);
}

const json& JsonFields::array(const char* key) const {
  if (!required(key).is_array()) {
    refuse(key, "an array");
  }
  return object_.at(key);
}

}  // namespace dure
