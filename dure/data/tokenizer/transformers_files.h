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
  // What begins and ends a document, of a tokenizer that can be used here.
  std::optional<std::int32_t> beginning = {};
  std::optional<std::int32_t> end = {};
};

// That of the folder: its files as they are. Beside a tokenizer.json without a
// tokenizer_config.json there is one that says how to load it: Transformers
// would go by the model's type, and take GPT-2's special tokens for this one's.
// `positions` is the longest text of the model.
TransformersTokenizer transformers_tokenizer(const Path& folder,
                                             std::int64_t positions);

}  // namespace dure::data
