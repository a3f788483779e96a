// The model part of Hugging Face's files: vocabulary and merges, or scores.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "dure/data/tokenizer/bpe.h"
#include "dure/data/tokenizer/huggingface_pieces.h"
#include "dure/data/tokenizer/json_parts.h"
#include "dure/data/tokenizer/unigram.h"

namespace dure::data {

using TokenIds = std::unordered_map<std::string, std::int32_t>;
using MergeTexts = std::vector<std::pair<std::string, std::string>>;

// Reads "model" of a tokenizer.json: BPE on such symbols, or Unigram, on
// characters. Throws Error, naming it, for what isn't supported.
std::variant<BpeModel, UnigramModel> read_model(const Json& model,
                                                SymbolKind symbols);

// {"token": id}
TokenIds vocabulary_of(const Json& object);

// Byte-level BPE. Tokens and merges are in the alphabet of byte_level.h, as
// files hold them. Throws Error for ids that repeat or run far beyond the count
// of tokens, for bytes without a token, and for merges of or into something
// that is no token.
BpeModel make_bpe_model(const TokenIds& vocabulary, const MergeTexts& merges);

// One pair "a b" a line, after an optional "#version" line and byte order mark.
MergeTexts parse_merges_text(std::string_view text);

// "a b" -> (a, b).
std::pair<std::string, std::string> parse_merge(std::string_view line);

}  // namespace dure::data
