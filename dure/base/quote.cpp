#include "dure/base/quote.h"

#include <cstdint>
#include <fmt/format.h>

#include "dure/base/utf8.h"

namespace dure {
namespace {

// The length of the character at the beginning of a well-formed text.
std::size_t character_bytes(std::string_view text) {
  const auto first = static_cast<std::uint8_t>(text[0]);
  return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

// Whether it is in C0, DEL or C1, which terminals obey in UTF-8, too.
bool is_control(std::string_view character) {
  const auto first = static_cast<std::uint8_t>(character[0]);
  return character.size() == 1
             ? first < 0x20 || first == 0x7f
             : first == 0xc2 && static_cast<std::uint8_t>(character[1]) < 0xa0;
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    text += fmt::format("\\x{:02x}", static_cast<std::uint8_t>(byte));
  }
  return text;
}

// The escape of a character, or the character itself if it is `plain`.
std::string escaped(std::string_view character, std::string_view plain) {
  if (plain.find(character[0]) != std::string_view::npos) {
    return std::string(character);
  }
  switch (character[0]) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    default:
      return is_control(character) ? hex(character) : std::string(character);
  }
}

// Escapes about `most` bytes of the text at most.
std::string escaped_text(std::string_view text,
                         std::string_view plain,
                         std::size_t most) {
  std::string out;
  while (!text.empty()) {
    if (out.size() >= most) {
      return out + "...";
    }
    const bool valid = valid_utf8_prefix(text.substr(0, 4)) > 0;
    const std::size_t bytes = valid ? character_bytes(text) : 1;
    const std::string_view character = text.substr(0, bytes);
    out += valid ? escaped(character, plain) : hex(character);
    text.remove_prefix(bytes);
  }
  return out;
}

}  // namespace

std::string Quoted::operator()(std::string_view text, std::size_t most) const {
  return '"' + escaped_text(text, "", most) + '"';
}

std::string shown_name(std::string_view name) {
  const bool plain = !name.empty() &&
                     name.find_first_not_of(
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                         "0123456789_-./:@+") == std::string_view::npos;
  return plain ? std::string(name) : quoted(name);
}

std::string printable(std::string_view text) {
  return escaped_text(text, "\n\t\"\\", std::string_view::npos);
}

}  // namespace dure
