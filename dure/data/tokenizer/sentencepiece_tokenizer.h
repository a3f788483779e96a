// Tokenizers of the SentencePiece library, such as T5's and Llama 2's.
#pragma once

#include <memory>

#include "dure/data/tokenizer/token_notes.h"
#include "dure/data/tokenizer/tokenizer.h"

namespace dure::data {

// From the bytes of a .model file. The model's own normalization applies, so a
// round trip need not give the same bytes. Its <s> is put before a document, as
// Llama does, unless the files beside say otherwise. Throws Error if it is no
// such model, if those files name tokens that the model lacks, and if this
// build has no SentencePiece library.
std::unique_ptr<Tokenizer> parse_sentencepiece(std::string_view model,
                                               const TokenNotes& notes);

}  // namespace dure::data
