// Links of the file system.
#pragma once

#include "dure/base/temporary.h"

namespace dure {

// Where the path leads: its last part is no link any more, and need not be
// there yet. Throws Error for a link to itself.
Path target_of(const Path& path);

}  // namespace dure
