// Broken UTF-8: finding it, and a repaired text that remembers where it was.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dure {

// The bytes before the first that is not UTF-8; the size where all are.
std::size_t valid_utf8_prefix(std::string_view text);

// `text` with U+FFFD for each maximal broken part (as WHATWG's decoder, Python
// and Rust replace it), and a way to map its offsets back.
class RepairedText {
 public:
  explicit RepairedText(std::string_view broken);

  std::string_view text() const { return text_; }

  // Maps offsets back. They must be ends of characters and must not fall.
  class Cursor {
   public:
    explicit Cursor(const RepairedText& repaired) : repaired_(repaired) {}
    std::size_t original(std::size_t offset);

   private:
    const RepairedText& repaired_;
    std::size_t next_ = 0;
    std::size_t added_ = 0;
  };

 private:
  struct Repair {
    std::size_t end;    // of the U+FFFD
    std::size_t added;  // bytes of text_ before `end` that the original lacks
  };

  std::string text_;
  std::vector<Repair> repairs_;
};

}  // namespace dure
