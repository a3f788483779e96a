// Tokenizers of the SentencePiece library: T5's, Llama 2's and their like.
#pragma once

#include <memory>

#include "dure/base/files.h"
#include "dure/data/tokenizer/tokenizer.h"

namespace dure::data {

// A .model file. The model's own normalization applies, so that a round trip
// need not give the same bytes. Throws Error where the file is no such model,
// and where this build has no SentencePiece library.
std::unique_ptr<Tokenizer> load_sentencepiece(const Path& path);

}  // namespace dure::data
