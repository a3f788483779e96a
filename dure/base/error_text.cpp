#include "dure/base/error_text.h"

#include <filesystem>
#include <new>

#include "dure/base/check.h"

namespace dure {

std::string message_of(const std::exception& error) {
  using FileError = std::filesystem::filesystem_error;
  if (const auto* file = dynamic_cast<const FileError*>(&error)) {
    return concat(
        "can't use ", file->path1().string(), ": ", file->code().message());
  }
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    return "out of memory";
  }
  return error.what();
}

}  // namespace dure
