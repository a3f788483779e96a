// Decodes a text whose ids are still arriving.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dure/data/tokenizer/tokenizer.h"

namespace dure::data {

// The results of add() and finish(), put together, are decode() of all ids,
// without the text of those before. An id alone does not determine its text: a
// SentencePiece token keeps or loses its space depending on what stands before
// it, and a character may consist of several tokens. So ids are decoded with
// their neighbours, and text that the next ids may still change is held back.
class StreamDecoder {
 public:
  // Continues after these ids, whose text is whole characters.
  explicit StreamDecoder(const Tokenizer& tokenizer,
                         std::span<const std::int32_t> before = {});

  // The text that is certain now and was not before.
  std::string add(std::int32_t id);

  // The text that was held back, as it is if no id follows.
  std::string finish();

 private:
  std::string show(const std::string& text, std::size_t end);

  const Tokenizer& tokenizer_;
  std::vector<std::int32_t> ids_;  // the last ones, decoded together
  std::size_t shown_ = 0;          // of their text
};

// The text of ids that follow others, as a StreamDecoder returns it.
std::string decode_after(const Tokenizer& tokenizer,
                         std::span<const std::int32_t> before,
                         std::span<const std::int32_t> ids);

}  // namespace dure::data
