// Hugging Face's files of a byte-level BPE tokenizer: reading and writing.
#pragma once

#include <string_view>

#include "dure/data/tokenizer/byte_level_tokenizer.h"
#include "dure/data/tokenizer/token_notes.h"

namespace dure::data {

// The text of a tokenizer.json. Throws Error, naming the part, for what isn't
// byte-level BPE: normalizers, other models, other pre-tokenizers.
ByteLevelParts parse_tokenizer_json(std::string_view text);

// The texts of a vocab.json and a merges.txt, split as GPT-2 does. The token
// <|endoftext|> is found in texts where the vocabulary has it.
ByteLevelParts parse_vocab_and_merges(std::string_view vocab,
                                      std::string_view merges);

// What the files beside say: tokens that they add, those that begin and end a
// document, and whether the beginning is put before a text. Throws Error for a
// token that they name and the vocabulary lacks.
void apply(const TokenNotes& notes, ByteLevelParts& parts);

// A tokenizer.json that Hugging Face reads, and we. Its splitting is GPT-2's
// where `patterns` is just kGpt2Pattern, else one Split for each pattern.
std::string tokenizer_json_text(const ByteLevelParts& parts);

}  // namespace dure::data
