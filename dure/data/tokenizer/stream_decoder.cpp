#include "dure/data/tokenizer/stream_decoder.h"

namespace dure::data {
StreamDecoder::StreamDecoder(const Tokenizer& tokenizer,
                             std::span<const std::int32_t> before)
    : tokenizer_(tokenizer),
      ids_(before.begin(), before.end()),
      shown_(tokenizer.decode(ids_).size()) {}

std::string StreamDecoder::add(std::int32_t id) {
  ids_.push_back(id);
  const std::string text = tokenizer_.decode(ids_);
  std::string piece = show(text, tokenizer_.certain_bytes(ids_, text));
  // If a text has begun and nothing is held back, the next id depends only on
  // the last one.
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
