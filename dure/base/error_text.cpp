#include "dure/base/error_text.h"

#include <filesystem>
#include <new>
#include <system_error>

#include "dure/base/check.h"
#include "dure/base/limits.h"

namespace dure {

std::string message_of(const std::exception& error) {
  using FileError = std::filesystem::filesystem_error;
  if (const auto* file = dynamic_cast<const FileError*>(&error)) {
    return concat(
        "can't use ", file->path1().string(), ": ", file->code().message());
  }
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    const auto addresses = addresses_left();
    return concat("out of memory: there is ",
                  memory_limit().bytes >> 20,
                  " MiB by ",
                  memory_limit().name,
                  addresses ? concat(", and ulimit -v leaves ",
                                     *addresses >> 20,
                                     " MiB of addresses")
                            : "",
                  "; ask for less at once, or raise the limit");
  }
  const auto* system = dynamic_cast<const std::system_error*>(&error);
  if (system != nullptr &&
      system->code() == std::errc::resource_unavailable_try_again) {
    return concat("the system grants no more threads (",
                  thread_limits(),
                  "): ask for fewer, or raise the limit");
  }
  return error.what();
}

}  // namespace dure
