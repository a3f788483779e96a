// Any bytes as a tokenizer.json: refused with an Error, or a tokenizer that
// decodes a text in pieces as it does at once, its own file's text included,
// and that gives all bytes back if it is made to keep them.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dure/base/check.h"
#include "dure/data/tokenizer/huggingface.h"
#include "dure/data/tokenizer/stream_decoder.h"

namespace dure::data {
namespace {

// Whether the step keeps all bytes. A file may ask for steps that don't: see
// tokenizers.md.
bool covers(const PieceStep& step) {
  const auto* cut = std::get_if<CutText>(&step);
  return cut != nullptr && cut->match != CutText::Match::kRemoved;
}

bool keeps_bytes(const TokenizerParts& parts) {
  return parts.is_byte_level() && parts.normalizer.empty() &&
         std::all_of(parts.pieces.begin(), parts.pieces.end(), covers) &&
         std::none_of(parts.added.begin(),
                      parts.added.end(),
                      [](const AddedToken& token) {
                        return token.strip_left || token.strip_right ||
                               token.single_word;
                      });
}

void check(const TokenizerParts& parts, std::string_view text) {
  const PipelineTokenizer tokenizer(parts);
  std::vector<std::int32_t> ids;
  tokenizer.encode(text, ids);
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= tokenizer.vocabulary()) {
      std::abort();
    }
  }
  if (keeps_bytes(parts) && tokenizer.decode(ids) != text) {
    std::abort();
  }
  // Only a part is taken, because a run of bytes is decoded anew with each of
  // them.
  ids.resize(std::min<std::size_t>(ids.size(), 200));
  if (decode_after(tokenizer, {}, ids) != tokenizer.decode(ids)) {
    std::abort();
  }
}

}  // namespace
}  // namespace dure::data

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto parts = dure::data::parse_tokenizer_json(text);
    dure::data::check(parts, text);
    dure::data::check(parts, "it's 42\xff<|endoftext|>  \xed\x95\x9c\n");
  } catch (const dure::Error&) {
  }
  return 0;
}
