#include "dure/cli/output.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <signal.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include "dure/base/check.h"
#include "dure/cli/commands.h"

namespace dure::cli {
namespace {

bool reader_is_gone() {
  pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
  return ::poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0;
}

// A network file system may report a full disk only on close.
bool closes() {
  const int copy = ::dup(STDOUT_FILENO);
  return copy >= 0 && ::close(copy) == 0;
}

// Whether it is an existing file or directory.
bool is_kept(const Path& path, struct stat& found) {
  return ::stat(path.c_str(), &found) == 0 &&
         (S_ISREG(found.st_mode) || S_ISDIR(found.st_mode));
}

}  // namespace

void put(std::string_view text) {
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
      std::fflush(stdout) == 0;
  DURE_CHECK(
      written, "can't write to standard output: {}", std::strerror(errno));
}

void put_json(const nlohmann::ordered_json& value) {
  using Json = nlohmann::ordered_json;
  put(value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

bool output_failed() {
  return std::ferror(stdout) != 0;
}

void refuse_own_input(std::string_view option,
                      const Path& output,
                      const std::vector<Path>& inputs) {
  struct stat out {};
  if (!is_kept(output, out)) {
    return;
  }
  for (const Path& input : inputs) {
    struct stat in {};
    if (is_kept(input, in) && in.st_dev == out.st_dev &&
        in.st_ino == out.st_ino) {
      throw UsageError(
          "{} {} is what this command reads ({}), and would "
          "replace it: choose another {}",
          option,
          output.string(),
          input.string(),
          option);
    }
  }
}

int end_output(int code) {
  std::cout.flush();
  errno = 0;
  // fflush() writes again what could not be written, and gives the reason
  // again.
  const bool arrived = std::fflush(stdout) == 0 && !output_failed() && closes();
  if (arrived) {
    return code;
  }
  const char* why = errno != 0 ? std::strerror(errno) : "writing failed";
  if (reader_is_gone()) {
    ::signal(SIGPIPE, SIG_DFL);
    ::raise(SIGPIPE);
  }
  std::fprintf(stderr, "error: can't write to standard output: %s\n", why);
  return code == 0 ? kExitFailed : code;
}

}  // namespace dure::cli
