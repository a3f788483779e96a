// The tokenizer without a vocabulary: each byte is its own id.
#pragma once

#include "dure/data/tokenizer/tokenizer.h"

namespace dure::data {

// Ids 0..255 are the bytes, 256 ends a document.
class BytesTokenizer : public Tokenizer {
 public:
  static constexpr std::int32_t kEndOfDocument = 256;

  using Tokenizer::encode;
  void encode(std::string_view text,
              std::vector<std::int32_t>& ids) const override;
  std::string decode(std::span<const std::int32_t> ids) const override;
  std::string token_text(std::int32_t id) const override;
  std::int64_t vocabulary() const override { return kEndOfDocument + 1; }
  std::optional<std::int32_t> beginning_of_document() const override {
    return std::nullopt;
  }
  std::optional<std::int32_t> end_of_document() const override {
    return kEndOfDocument;
  }
  std::optional<std::int32_t> id_of(std::string_view token) const override;
  std::string kind() const override { return "bytes"; }
};

}  // namespace dure::data
