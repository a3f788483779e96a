#include "dure/data/tokenizer/byte_level.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace dure::data {
namespace {

constexpr bool prints(int byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) ||
         byte >= 0xae;
}

constexpr std::array<char16_t, 256> make_alphabet() {
  std::array<char16_t, 256> alphabet{};
  char16_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    alphabet[byte] = prints(byte) ? static_cast<char16_t>(byte) : next++;
  }
  return alphabet;
}

constexpr std::size_t kCodePoints = 0x100 + 68;

// The byte of each code point; -1 for the 68 Latin-1 code points that stand for
// none.
constexpr std::array<std::int16_t, kCodePoints> make_bytes() {
  std::array<std::int16_t, kCodePoints> bytes{};
  for (auto& byte : bytes) {
    byte = -1;
  }
  const auto alphabet = make_alphabet();
  for (std::size_t byte = 0; byte < 256; ++byte) {
    bytes[alphabet[byte]] = static_cast<std::int16_t>(byte);
  }
  return bytes;
}

constexpr auto kAlphabet = make_alphabet();
constexpr auto kBytes = make_bytes();

}  // namespace

const std::array<char16_t, 256>& byte_level_alphabet() {
  return kAlphabet;
}

std::array<std::uint8_t, 256> bytes_in_alphabet_order() {
  std::array<std::uint8_t, 256> order{};
  std::iota(order.begin(), order.end(), std::uint8_t{0});
  std::sort(order.begin(), order.end(), [](std::uint8_t a, std::uint8_t b) {
    return kAlphabet[a] < kAlphabet[b];
  });
  return order;
}

std::string to_byte_level(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const char16_t code = kAlphabet[static_cast<unsigned char>(c)];
    if (code < 0x80) {
      text += static_cast<char>(code);
    } else {
      text += static_cast<char>(0xc0 | (code >> 6));
      text += static_cast<char>(0x80 | (code & 0x3f));
    }
  }
  return text;
}

std::optional<std::string> from_byte_level(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned code = static_cast<unsigned char>(text[i]);
    if (code >= 0x80) {  // every code point here has two bytes of UTF-8
      if (code < 0xc2 || code > 0xc5 || i + 1 == text.size()) {
        return std::nullopt;
      }
      const unsigned low = static_cast<unsigned char>(text[++i]);
      if ((low & 0xc0) != 0x80) {
        return std::nullopt;
      }
      code = (code & 0x1f) << 6 | (low & 0x3f);
    }
    if (code >= kCodePoints || kBytes[code] < 0) {
      return std::nullopt;
    }
    bytes += static_cast<char>(kBytes[code]);
  }
  return bytes;
}

}  // namespace dure::data
