// Tokens that are found in the text before it is cut into words.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace dure::data {

struct AddedToken {
  std::int32_t id = 0;
  std::string text;
  bool strip_left = false;   // swallows the white space before it
  bool strip_right = false;  // and after it
  bool single_word = false;  // not found within or beside a word
  bool normalized = false;   // searched after those that aren't
  bool special = false;      // a mark for the model, not text
};

// A set of added tokens with different texts. Immutable.
class AddedTokens {
 public:
  explicit AddedTokens(const std::vector<AddedToken>& tokens);

  // A token in a text, with the white space that it swallows.
  struct Found {
    std::size_t begin;
    std::size_t end;
    std::int32_t id;
  };

  // Finds the first token in the text, the longest of those that begin there,
  // and goes on after it. A token that must be a single word and isn't hides
  // tokens that begin within it. `text` must be UTF-8 if there are single-word
  // tokens.
  std::vector<Found> find_all(std::string_view text) const;

 private:
  const AddedToken* longest_at(std::string_view text, std::size_t at) const;
  std::size_t next_begin(std::string_view text, std::size_t at) const;

  std::unordered_map<std::string, AddedToken> tokens_;
  std::vector<std::size_t> lengths_;  // longest first
  std::array<bool, 256> begins_{};
  std::string first_bytes_;
};

}  // namespace dure::data
