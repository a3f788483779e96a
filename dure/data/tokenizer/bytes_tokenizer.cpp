#include "dure/data/tokenizer/bytes_tokenizer.h"

#include "dure/base/check.h"

namespace dure::data {

void BytesTokenizer::encode(std::string_view text,
                            std::vector<std::int32_t>& ids) const {
  ids.reserve(ids.size() + text.size());
  for (const char c : text) {
    ids.push_back(static_cast<unsigned char>(c));
  }
}

std::string BytesTokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string text;
  text.reserve(ids.size());
  for (const std::int32_t id : ids) {
    text += token_text(id);
  }
  return text;
}

std::string BytesTokenizer::token_text(std::int32_t id) const {
  DURE_CHECK(
      id >= 0 && id <= kEndOfDocument,
      "token id {} is outside the vocabulary of 257 (bytes, end of document)",
      id);
  return id == kEndOfDocument ? "" : std::string(1, static_cast<char>(id));
}

std::optional<std::int32_t> BytesTokenizer::id_of(
    std::string_view token) const {
  if (token.size() != 1) {
    return std::nullopt;
  }
  return static_cast<unsigned char>(token[0]);
}

}  // namespace dure::data
