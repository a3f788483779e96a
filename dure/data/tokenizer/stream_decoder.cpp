#include "dure/data/tokenizer/stream_decoder.h"

#include <algorithm>
#include <string_view>

namespace dure::data {
namespace {

// Of the character that such a byte begins; 0 where it begins none of several.
std::size_t bytes_of_character(unsigned char first) {
  return first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

// Without a last character that more bytes may make whole.
std::size_t without_begun_character(std::string_view text) {
  const std::size_t most = std::min<std::size_t>(text.size(), 3);
  for (std::size_t n = 1; n <= most; ++n) {
    const auto byte = static_cast<unsigned char>(text[text.size() - n]);
    if (byte < 0x80 || byte >= 0xc0) {
      return text.size() - (bytes_of_character(byte) > n ? n : 0);
    }
  }
  return text.size();
}

// SentencePiece gives a U+FFFD for each byte of a character that isn't whole,
// at most three of them, for what becomes one character with the next byte.
std::size_t certain_bytes(std::string_view text) {
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  text = text.substr(0, without_begun_character(text));
  for (int i = 0; i < 3 && text.ends_with(kReplacement); ++i) {
    text.remove_suffix(kReplacement.size());
  }
  return text.size();
}

}  // namespace

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer,
                             std::span<const std::int32_t> before)
    : tokenizer_(tokenizer),
      ids_(before.begin(), before.end()),
      shown_(tokenizer.decode(ids_).size()) {}

std::string StreamDecoder::add(std::int32_t id) {
  ids_.push_back(id);
  const std::string text = tokenizer_.decode(ids_);
  std::string piece = show(text, certain_bytes(text));
  // Where a text has begun and nothing is open, the last id is all that the
  // next one depends on.
  const std::size_t alone = tokenizer_.decode({&id, 1}).size();
  if (shown_ == text.size() && alone > 0) {
    ids_ = {id};
    shown_ = alone;
  }
  return piece;
}

std::string StreamDecoder::finish() {
  const std::string text = tokenizer_.decode(ids_);
  return show(text, text.size());
}

std::string StreamDecoder::show(const std::string& text, std::size_t end) {
  if (end <= shown_) {
    return "";
  }
  std::string piece = text.substr(shown_, end - shown_);
  shown_ = end;
  return piece;
}

std::string decode_after(const Tokenizer& tokenizer,
                         std::span<const std::int32_t> before,
                         std::span<const std::int32_t> ids) {
  StreamDecoder decoder(tokenizer, before);
  std::string text;
  for (const std::int32_t id : ids) {
    text += decoder.add(id);
  }
  return text + decoder.finish();
}

}  // namespace dure::data
