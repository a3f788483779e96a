// SentencePiece's table of what characters become, as a tokenizer.json holds it
// ("Precompiled") and Hugging Face applies it.
//
//   u32      bytes of the trie, little-endian, as all
//   u32 ...  the trie: a double array of bytes to offsets into the texts
//   bytes    the texts, each ended by a zero byte
//
// A unit of the double array: bits 0-7 its label, 8 whether a key ends here, 10
// up the offset of its children (times 256 where bit 9 is set); of an end of a
// key, whose bit 31 is set, bits 0-30 the value.
//
// Source: Yata, Darts-clone (the double array); SentencePiece's
// builder.cc (the rest).
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
  // The bytes above. Throws Error for what isn't of this form.
  explicit CharacterMap(std::string_view bytes);

  // The text with its characters mapped. A letter with its marks is looked up
  // as one where it has less than six bytes, and what is found for its
  // beginning, the shortest that there is, stands for all of it.
  std::string apply(std::string_view text) const;

 private:
  std::optional<std::string_view> find(std::string_view key) const;

  std::optional<std::string_view> text_at(std::size_t at) const;

  std::vector<std::uint32_t> units_;
  std::string texts_;
};

// The bytes of a text in base 64. Throws Error where it is none.
std::string from_base64(std::string_view text);

}  // namespace dure::data
