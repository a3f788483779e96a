// generation_config.json: a Hugging Face model's settings for generation. Only
// the tokens that end a text are read; the options of `dure generate` set the
// rest.
#pragma once

#include <cstdint>
#include <vector>

#include "dure/base/files.h"

namespace dure::checkpoint {

// Its eos_token_id, one id or several (a chat model's turn ends, too); empty if
// there is no such file or key. Throws Error if it is anything else.
std::vector<std::int32_t> end_ids_in(const Path& folder);

}  // namespace dure::checkpoint
