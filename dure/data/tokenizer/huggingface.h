// Hugging Face's files of a tokenizer: reading, and writing what is learnt
// here.
#pragma once

#include <string_view>

#include "dure/data/tokenizer/pipeline_tokenizer.h"
#include "dure/data/tokenizer/token_notes.h"

namespace dure::data {

// The text of a tokenizer.json. Throws Error, naming the part, for what isn't
// supported: docs/formats/tokenizers.md.
TokenizerParts parse_tokenizer_json(std::string_view text);

// The texts of a vocab.json and a merges.txt, split as GPT-2 does. The token
// <|endoftext|> is found in texts where the vocabulary has it.
TokenizerParts parse_vocab_and_merges(std::string_view vocab,
                                      std::string_view merges);

// What the files beside say: tokens that they add, those that begin and end a
// document, and whether the beginning is put before a text. Throws Error for a
// token that they name and the vocabulary lacks.
void apply(const TokenNotes& notes, TokenizerParts& parts);

// A tokenizer.json that Hugging Face reads, and we, of byte-level BPE without a
// normalizer, whose pieces are isolated matches after a prefix space or none.
// Its splitting is GPT-2's where that is its pattern, else one Split for each.
std::string tokenizer_json_text(const TokenizerParts& parts);

}  // namespace dure::data
