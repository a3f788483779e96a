// SentencePiece's table of character replacements, as a tokenizer.json holds it
// ("Precompiled") and Hugging Face applies it.
//
//   u32      bytes of the trie; all numbers are little-endian
//   u32 ...  the trie: a double array of bytes to offsets into the texts
//   bytes    the texts, each ended by a zero byte
//
// A unit of the double array has its label in bits 0-7, whether a key ends here
// in bit 8, and the offset of its children from bit 10 on (times 256 if bit 9
// is set). The end of a key, with bit 31 set, has the value in bits 0-30.
//
// Source: Yata, Darts-clone (the double array); SentencePiece's builder.cc (the
// rest).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dure::data {

// Immutable.
class CharacterMap {
 public:
  // Takes the bytes above. Throws Error for other forms.
  explicit CharacterMap(std::string_view bytes);

  // The text with its characters mapped. A letter with its marks is looked up
  // as one if it has less than six bytes; the shortest entry found for its
  // beginning replaces all of it.
  std::string apply(std::string_view text) const;

 private:
  std::optional<std::string_view> find(std::string_view key) const;

  std::optional<std::string_view> text_at(std::size_t at) const;

  std::vector<std::uint32_t> units_;
  std::string texts_;
};

// The bytes of a text in base 64. Throws Error if it is not base 64.
std::string from_base64(std::string_view text);

}  // namespace dure::data
