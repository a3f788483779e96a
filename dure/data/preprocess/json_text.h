// Finds the text in one line of a JSON Lines file.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace dure::data {

// For use by one thread: each has its own.
class JsonText {
 public:
  explicit JsonText(std::string key);
  JsonText(const JsonText&) = delete;
  JsonText& operator=(const JsonText&) = delete;
  ~JsonText();

  // The string under the key, unescaped; valid until the next call. kPadding
  // bytes after `line` must be readable, whatever they hold. Throws Error,
  // without a place, for a line that is not an object, lacks the key, or is
  // broken. Values of other keys are skipped without a check.
  std::string_view text(std::string_view line);

  static constexpr std::size_t kPadding = 64;

 private:
  struct Parser;

  std::string key_;
  std::unique_ptr<Parser> parser_;
};

}  // namespace dure::data
