#include "dure/base/error_text.h"

#include <filesystem>
#include <fmt/core.h>
#include <new>
#include <system_error>

#include "dure/base/limits.h"

namespace dure {

std::string message_of(const std::exception& error) {
  using FileError = std::filesystem::filesystem_error;
  if (const auto* file = dynamic_cast<const FileError*>(&error)) {
    return fmt::format(
        "can't use {}: {}", file->path1().string(), file->code().message());
  }
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    const auto addresses = addresses_left();
    return fmt::format(
        "out of memory: there is {} MiB by {}{}; ask for less at once, or "
        "raise the limit",
        memory_limit().bytes >> 20,
        memory_limit().name,
        addresses ? fmt::format(", and ulimit -v leaves {} MiB of addresses",
                                *addresses >> 20)
                  : "");
  }
  const auto* system = dynamic_cast<const std::system_error*>(&error);
  if (system != nullptr &&
      system->code() == std::errc::resource_unavailable_try_again) {
    return fmt::format(
        "the system grants no more threads ({}): ask for fewer, or raise the "
        "limit",
        thread_limits());
  }
  return error.what();
}

}  // namespace dure
