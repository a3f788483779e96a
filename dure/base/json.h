// JSON from files that anybody may have written. For .cpp files only: the
// library's header is heavy.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dure {

// `text` as a JSON object. Throws Error, beginning with `source`, for text that
// isn't JSON or isn't an object, for a key given twice, and for nesting deeper
// than any of our formats has.
nlohmann::json parse_object(std::string_view text, const std::string& source);

// The values of one object, each fetched by name and type. An Error names the
// source, the key, what was wanted and what came. Only one thread may use it.
class JsonFields {
 public:
  JsonFields(const nlohmann::json& object, std::string source)
      : object_(object), source_(std::move(source)) {}

  bool has(const char* key) const;  // present and not null
  std::int64_t integer(const char* key) const;
  std::int64_t whole(const char* key) const;     // 0 to 2^53
  std::int64_t positive(const char* key) const;  // up to 2^53
  std::int64_t positive_or(const char* key, std::int64_t otherwise) const;
  double number(const char* key) const;
  double number_or(const char* key, double otherwise) const;
  bool truth_or(const char* key, bool otherwise) const;
  std::string text(const char* key) const;
  std::string text_or(const char* key, const std::string& otherwise) const;
  const nlohmann::json& object(const char* key) const;
  const nlohmann::json& array(const char* key) const;
  const std::string& source() const { return source_; }

  // The keys of the object that none of the functions above was asked for.
  std::vector<std::string> unread() const;
  const nlohmann::json& value(const std::string& key) const {
    return object_.at(key);
  }
  // The value as JSON on one line, cut where it is long: for messages.
  std::string shown(const std::string& key) const;

 private:
  const nlohmann::json& required(const char* key) const;
  [[noreturn]] void refuse(const char* key, const char* wanted) const;

  const nlohmann::json& object_;
  std::string source_;
  mutable std::set<std::string, std::less<>> read_;
};

}  // namespace dure
