// Which Dure this is. Written by the build: see write_version.cmake.
#pragma once

namespace dure::cli {

// "0.1.0".
const char* version();

// The commit it was built from, with "-dirty" where the tree differed from it;
// "unknown" where the source came without its history.
const char* commit();

// "dure 0.1.0 (11b18689c1)".
const char* version_line();

}  // namespace dure::cli
