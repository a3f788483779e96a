// Links of the file system.
#pragma once

#include "dure/base/temporary.h"

namespace dure {

// Where the path leads. The last part of the result is not a link, and need not
// exist. Throws Error for a link to itself.
Path target_of(const Path& path);

}  // namespace dure
