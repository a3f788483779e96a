# Runs at every build, and writes version.cpp if the commit has changed.
#   cmake -DSOURCE=dir -DVERSION=0.1.0 -DOUTPUT=version.cpp -P write_version.cmake
execute_process(
  COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=*
  OUTPUT_VARIABLE commit
  RESULT_VARIABLE failed
  OUTPUT_STRIP_TRAILING_WHITESPACE
  ERROR_QUIET)
if(failed)
  set(commit "unknown")
endif()
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [[
#include "dure/cli/version.h"

namespace dure::cli {

const char* version() { return "@VERSION@"; }
const char* commit() { return "@commit@"; }
const char* version_line() { return "dure @VERSION@ (@commit@)"; }

}  // namespace dure::cli
]])
