// Any bytes as a tokenizer.json: refused with an Error, or a tokenizer that
// gives the bytes back, its own file among them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "dure/base/check.h"
#include "dure/data/tokenizer/huggingface.h"

namespace dure::data {
namespace {

// What a tokenizer may lose by the file's own wish: see tokenizers.md.
bool keeps_bytes(const ByteLevelParts& parts) {
  bool keeps = parts.prefix_space == ByteLevelParts::PrefixSpace::kNone;
  for (const AddedToken& token : parts.added) {
    keeps = keeps && !token.strip_left && !token.strip_right;
  }
  return keeps;
}

void check(const ByteLevelParts& parts, std::string_view text) {
  const ByteLevelTokenizer tokenizer(parts);
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
