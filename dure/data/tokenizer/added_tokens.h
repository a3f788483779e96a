// Tokens that are found in the text before it is cut into words.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dure::data {

struct AddedToken {
  std::int32_t id = 0;
  std::string text;
  bool strip_left = false;   // swallows the white space before it
  bool strip_right = false;  // and after it
  bool normalized = false;   // looked for after those that aren't
  bool special = false;      // a mark for the model, not text
};

// A set of them. Immutable.
class AddedTokens {
 public:
  explicit AddedTokens(std::vector<AddedToken> tokens);

  // A token in a text, with the white space that it swallows.
  struct Found {
    std::size_t begin;
    std::size_t end;
    std::int32_t id;
  };

  // The first at or after `from`, and of those that begin there the longest.
  std::optional<Found> find(std::string_view text, std::size_t from) const;

  bool empty() const { return tokens_.empty(); }

 private:
  std::vector<AddedToken> tokens_;  // longest first
  std::array<bool, 256> begins_{};
  std::string first_bytes_;
};

}  // namespace dure::data
