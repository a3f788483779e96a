// generation_config.json: how the maker of a Hugging Face model wants texts
// from it. Of that file only what ends a text is read; the rest is for the
// options of `dure generate` to say.
#pragma once

#include <cstdint>
#include <vector>

#include "dure/base/files.h"

namespace dure::checkpoint {

// Its eos_token_id, one id or several (a chat model's turn ends, too); none
// where the folder has no such file or the file no such key. Error where it is
// anything else.
std::vector<std::int32_t> end_ids_in(const Path& folder);

}  // namespace dure::checkpoint
