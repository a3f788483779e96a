// The text in one line of a JSON Lines file.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace dure::data {

// Not for use by several threads at once: each has its own.
class JsonText {
 public:
  explicit JsonText(std::string key);
  JsonText(const JsonText&) = delete;
  JsonText& operator=(const JsonText&) = delete;
  ~JsonText();

  // The string under the key, unescaped; valid until the next call. kPadding
  // bytes after `line` must be readable, whatever they hold. Throws Error,
  // without a place, for a line that is no object, lacks the key, or is broken
  // (values of other keys are passed over, not looked into).
  std::string_view text(std::string_view line);

  static constexpr std::size_t kPadding = 64;

 private:
  struct Parser;

  std::string key_;
  std::unique_ptr<Parser> parser_;
};

}  // namespace dure::data
