// Hugging Face's files of a byte-level BPE tokenizer: reading and writing.
#pragma once

#include <string_view>

#include "dure/base/files.h"
#include "dure/data/tokenizer/byte_level_tokenizer.h"

namespace dure::data {

// The text of a tokenizer.json. Throws Error, naming the part, for what isn't
// byte-level BPE: normalizers, other models, other pre-tokenizers.
ByteLevelParts parse_tokenizer_json(std::string_view text);

// The texts of a vocab.json and a merges.txt, split as GPT-2 does. The token
// <|endoftext|> is found in texts where the vocabulary has it.
ByteLevelParts parse_vocab_and_merges(std::string_view vocab,
                                      std::string_view merges);

// From files, with the names of the special tokens from a tokenizer_config.json
// or special_tokens_map.json beside them. Errors name the file.
ByteLevelParts read_tokenizer_json(const Path& path);
ByteLevelParts read_vocab_and_merges(const Path& vocab, const Path& merges);

// A tokenizer.json that Hugging Face reads, and we. Its splitting is GPT-2's
// where `patterns` is just kGpt2Pattern, else one Split for each pattern.
std::string tokenizer_json_text(const ByteLevelParts& parts);

}  // namespace dure::data
