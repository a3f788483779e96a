#include "dure/base/utf8.h"

#include <cstdint>
#include <cstring>

namespace dure {
namespace {

// The bytes that may follow a character's first byte: Unicode, table 3-7.
struct Lead {
  std::size_t more;     // bytes that follow; 0 for what can't begin a character
  unsigned char first;  // the bounds of the second byte
  unsigned char last;
};

constexpr Lead lead(unsigned char c) {
  if (c < 0xc2 || c > 0xf4) {
    return {0, 0, 0};
  }
  if (c < 0xe0) {
    return {1, 0x80, 0xbf};
  }
  if (c < 0xf0) {
    return {2,
            static_cast<unsigned char>(c == 0xe0 ? 0xa0 : 0x80),
            static_cast<unsigned char>(c == 0xed ? 0x9f : 0xbf)};
  }
  return {3,
          static_cast<unsigned char>(c == 0xf0 ? 0x90 : 0x80),
          static_cast<unsigned char>(c == 0xf4 ? 0x8f : 0xbf)};
}

struct Step {
  std::size_t bytes;  // of the character, or of its maximal broken part
  bool valid;
};

Step step(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return static_cast<unsigned char>(text[i]);
  };
  if (byte(at) < 0x80) {
    return {1, true};
  }
  Lead rule = lead(byte(at));
  for (std::size_t i = 1; i <= rule.more; ++i) {
    if (at + i == text.size() || byte(at + i) < rule.first ||
        byte(at + i) > rule.last) {
      return {i, false};
    }
    rule.first = 0x80;
    rule.last = 0xbf;
  }
  return {rule.more + 1, rule.more > 0};
}

std::size_t skip_ascii(std::string_view text, std::size_t at) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080;
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, 8);
    if ((word & kHighBits) != 0) {
      break;
    }
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) {
    ++at;
  }
  return at;
}

}  // namespace

std::size_t valid_utf8_prefix(std::string_view text) {
  std::size_t at = skip_ascii(text, 0);
  while (at < text.size()) {
    const Step next = step(text, at);
    if (!next.valid) {
      return at;
    }
    at = skip_ascii(text, at + next.bytes);
  }
  return at;
}

RepairedText::RepairedText(std::string_view broken) {
  text_.reserve(broken.size() + 16);
  std::size_t at = 0;
  while (at < broken.size()) {
    const std::size_t valid = valid_utf8_prefix(broken.substr(at));
    text_ += broken.substr(at, valid);
    at += valid;
    if (at < broken.size()) {
      at += step(broken, at).bytes;
      text_ += "\xef\xbf\xbd";
      repairs_.push_back({text_.size(), text_.size() - at});
    }
  }
}

std::size_t RepairedText::Cursor::original(std::size_t offset) {
  while (next_ < repaired_.repairs_.size() &&
         repaired_.repairs_[next_].end <= offset) {
    added_ = repaired_.repairs_[next_++].added;
  }
  return offset - added_;
}

}  // namespace dure
