// A tokenizer's files as Transformers' AutoTokenizer expects them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "dure/base/files.h"

namespace dure::data {

struct TransformersTokenizer {
  std::map<std::string, std::string> files = {};  // text by name
  // The tokens that begin and end a document, if the tokenizer can be used
  // here.
  std::optional<std::int32_t> beginning = {};
  std::optional<std::int32_t> end = {};
};

// The folder's tokenizer, with its files as they are. Beside a tokenizer.json
// without a tokenizer_config.json it adds one that says how to load it:
// otherwise Transformers would go by the model's type, and take GPT-2's special
// tokens for this one's. `positions` is the longest text of the model.
TransformersTokenizer transformers_tokenizer(const Path& folder,
                                             std::int64_t positions);

}  // namespace dure::data
