// The pre_tokenizer of a tokenizer.json.
#pragma once

#include "dure/data/tokenizer/json_parts.h"
#include "dure/data/tokenizer/pieces.h"

namespace dure::data {

// The model's symbols, which the pre-tokenizers before it decide.
enum class SymbolKind { kCharacters, kBytes };

struct ReadPieces {
  PieceSteps steps;
  SymbolKind symbols = SymbolKind::kCharacters;  // kBytes: it ends in ByteLevel
};

// Reads the steps; null has none. Throws Error, naming it, for what isn't
// supported.
ReadPieces read_pre_tokenizer(const Json& object);

}  // namespace dure::data
