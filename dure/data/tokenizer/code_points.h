// The characters of a text, and their properties in Hugging Face's tokenizers.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dure/data/tokenizer/unicode_tables.h"

namespace dure::data {

struct Character {
  char32_t code = 0;
  std::size_t bytes = 0;
};

// The character that begins at `at`. The text is UTF-8.
Character character_at(std::string_view text, std::size_t at);

void append_utf8(char32_t code, std::string& text);

// `at` if its byte isn't ASCII, else the next such byte, or the end.
std::size_t skip_ascii(std::string_view text, std::size_t at);

// Calls each(Character) for all characters in order.
template <typename Each>
void for_each_character(std::string_view text, const Each& each) {
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    each(c);
    at += c.bytes;
  }
}

// The bytes of white space (Unicode's White_Space) at an end of the text.
std::size_t spaces_at_begin(std::string_view text);
std::size_t spaces_at_end(std::string_view text);

bool holds(std::span<const CodePoints> ranges, char32_t code);

// The category in Unicode 16.
Category category_of(char32_t code);

// \w: letters, marks, decimal digits, and others that Unicode calls alphabetic.
bool is_word_character(char32_t code);

// The ranges of several categories, or of all others.
std::vector<CodePoints> ranges_of(std::span<const Category> categories);
std::vector<CodePoints> ranges_without(std::span<const Category> categories);

// Whether some character is in changed_since_unicode_14().
bool has_changed_characters(std::string_view text);

}  // namespace dure::data
