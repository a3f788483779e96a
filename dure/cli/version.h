// The version of Dure. The build writes it: see write_version.cmake.
#pragma once

namespace dure::cli {

// "0.1.0".
const char* version();

// The commit it was built from, with "-dirty" if the tree differed from it;
// "unknown" if the source came without its history.
const char* commit();

// "dure 0.1.0 (11b18689c1)".
const char* version_line();

}  // namespace dure::cli
