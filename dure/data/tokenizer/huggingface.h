// Hugging Face's files of a tokenizer: reading them, and writing trained
// tokenizers.
#pragma once

#include <string_view>

#include "dure/data/tokenizer/pipeline_tokenizer.h"
#include "dure/data/tokenizer/token_notes.h"

namespace dure::data {

// Parses a tokenizer.json. Throws Error, naming the part, for what isn't
// supported: docs/formats/tokenizers.md.
TokenizerParts parse_tokenizer_json(std::string_view text);

// Parses a vocab.json and a merges.txt, which split words as GPT-2 does. The
// token <|endoftext|> is found in texts if the vocabulary has it.
TokenizerParts parse_vocab_and_merges(std::string_view vocab,
                                      std::string_view merges);

// Applies the notes of the files beside: tokens that they add, those that begin
// and end a document, and whether the beginning is put before a text. Throws
// Error for a token that they name and the vocabulary lacks.
void apply(const TokenNotes& notes, TokenizerParts& parts);

// A tokenizer.json that Hugging Face and Dure read, for byte-level BPE without
// a normalizer, whose pieces are isolated matches after a prefix space or none.
// If its splitting has GPT-2's pattern, it is GPT-2's, else one Split for each
// pattern.
std::string tokenizer_json_text(const TokenizerParts& parts);

}  // namespace dure::data
