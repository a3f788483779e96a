// The decoder of a tokenizer.json.
#pragma once

#include "dure/data/tokenizer/json_parts.h"
#include "dure/data/tokenizer/token_decoder.h"

namespace dure::data {

// Reads the decoder for tokens of characters; null puts a space between them.
// Throws Error, naming it, for what isn't supported.
DecoderSteps read_decoder(const Json& object);

// Checks the decoder for byte-level tokens: ByteLevel, or none. Throws Error
// for another.
void expect_byte_level_decoder(const Json& object);

}  // namespace dure::data
