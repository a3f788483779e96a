// The normalizer of a tokenizer.json.
#pragma once

#include "dure/data/tokenizer/json_parts.h"
#include "dure/data/tokenizer/normalizer.h"

namespace dure::data {

// Reads the steps; null has none. Throws Error, naming it, for what isn't
// supported.
NormalizerSteps read_normalizer(const Json& object);

}  // namespace dure::data
