#include "dure/data/tokenizer/character_map.h"

#include <utf8proc.h>

#include "dure/base/check.h"
#include "dure/base/utf8.h"
#include "dure/data/tokenizer/code_points.h"

namespace dure::data {
namespace {

constexpr std::size_t kWordBytes = 4;

std::uint32_t word_at(std::string_view bytes, std::size_t at) {
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < kWordBytes; ++i) {
    word |= std::uint32_t{static_cast<unsigned char>(bytes[at + i])} << 8 * i;
  }
  return word;
}

std::size_t children_of(std::uint32_t unit) {
  return std::size_t{unit >> 10} << ((unit & (1U << 9)) >> 6);
}

bool ends_key(std::uint32_t unit) {
  return (unit >> 8 & 1) == 1;
}

// Bit 31 distinguishes ends of keys from labels.
std::uint32_t label_of(std::uint32_t unit) {
  return unit & (1U << 31 | 0xff);
}

// Whether it is a mark that utf8proc is too old to know.
bool is_later_mark(char32_t code) {
  const Category category = category_of(code);
  const bool is_mark = category >= Category::kMn && category <= Category::kMe;
  return (is_mark && holds(changed_since_unicode_14(), code)) ||
         (category == Category::kCn && holds(normal_form_barriers(), code));
}

// The bytes of the letter with its marks that begins at `at`.
std::size_t cluster_bytes(std::string_view text, std::size_t at) {
  utf8proc_int32_t state = 0;
  Character last = character_at(text, at);
  std::size_t bytes = last.bytes;
  while (at + bytes < text.size()) {
    const Character next = character_at(text, at + bytes);
    const bool breaks = utf8proc_grapheme_break_stateful(
        static_cast<utf8proc_int32_t>(last.code),
        static_cast<utf8proc_int32_t>(next.code),
        &state);
    if (breaks && (!is_later_mark(next.code) ||
                   category_of(last.code) == Category::kCc)) {
      break;
    }
    bytes += next.bytes;
    last = next;
  }
  return bytes;
}

}  // namespace

CharacterMap::CharacterMap(std::string_view bytes) {
  const std::size_t trie =
      bytes.size() < kWordBytes ? 0 : std::size_t{word_at(bytes, 0)};
  DURE_CHECK(
      trie > 0 && trie % kWordBytes == 0 && trie <= bytes.size() - kWordBytes,
      "a precompiled_charsmap of {} bytes can't hold a trie of {}: the file is "
      "broken",
      bytes.size(),
      trie);
  for (std::size_t at = kWordBytes; at < kWordBytes + trie; at += kWordBytes) {
    units_.push_back(word_at(bytes, at));
  }
  texts_ = bytes.substr(kWordBytes + trie);
  DURE_CHECK(
      valid_utf8_prefix(texts_) == texts_.size(),
      "the texts of a precompiled_charsmap are not UTF-8: the file is broken");
}

std::string CharacterMap::apply(std::string_view text) const {
  constexpr std::size_t kLookedUpAsOne = 6;
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view cluster = text.substr(at, cluster_bytes(text, at));
    at += cluster.size();
    if (cluster.size() < kLookedUpAsOne) {
      if (const auto found = find(cluster)) {
        result += *found;
        continue;
      }
    }
    for (std::size_t i = 0; i < cluster.size();) {
      const std::string_view c =
          cluster.substr(i, character_at(cluster, i).bytes);
      result += find(c).value_or(c);
      i += c.size();
    }
  }
  return result;
}

// Nothing if no text begins there, which happens only in a broken file.
std::optional<std::string_view> CharacterMap::text_at(std::size_t at) const {
  if (at >= texts_.size() ||
      (static_cast<unsigned char>(texts_[at]) & 0xc0) == 0x80) {
    return std::nullopt;
  }
  const std::string_view rest = std::string_view(texts_).substr(at);
  return rest.substr(0, rest.find('\0'));
}

// The text of the shortest key with which `key` begins.
std::optional<std::string_view> CharacterMap::find(std::string_view key) const {
  std::size_t node = children_of(units_[0]);
  for (const char c : key) {
    const auto byte = static_cast<unsigned char>(c);
    node ^= byte;
    if (byte == 0 || node >= units_.size() || label_of(units_[node]) != byte) {
      return std::nullopt;
    }
    const std::uint32_t unit = units_[node];
    node ^= children_of(unit);
    if (ends_key(unit)) {
      return node < units_.size() ? text_at(units_[node] & ~(1U << 31))
                                  : std::nullopt;
    }
  }
  return std::nullopt;
}

std::string from_base64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  while (text.ends_with('=')) {
    text.remove_suffix(1);
  }
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c);
    DURE_CHECK(digit != std::string_view::npos,
               "a text in base 64 holds the byte {}, which is no digit of it",
               int{static_cast<unsigned char>(c)});
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>(bits >> count & 0xff);
    }
  }
  return bytes;
}

}  // namespace dure::data
