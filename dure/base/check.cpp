#include "dure/base/check.h"

#include <cstring>

namespace dure {
namespace {

// From the last "dure/" on: a build's absolute paths help nobody.
const char* file_name(const char* file) {
  const char* name = file;
  for (const char* p = file; (p = std::strstr(p, "dure/")) != nullptr; ++p) {
    name = p;
  }
  return name;
}

}  // namespace

void fail(const char* file, int line, const std::string& message) {
  throw Error(concat(message, " [", file_name(file), ":", line, "]"));
}

}  // namespace dure
