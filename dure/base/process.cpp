#include "dure/base/process.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string_view>
#include <unistd.h>

namespace dure {
namespace {

constexpr int kFailed = 1;

// Opens it the wrong way round, so that a read from an output fails, and a
// write to an input.
void fill(int descriptor, int flags) {
  if (::fcntl(descriptor, F_GETFD) < 0) {
    ::open("/dev/null", flags);  // takes the lowest number that is free
  }
}

// Used in a signal handler: no call below takes a lock or memory.

void put(std::string_view text) {
  [[maybe_unused]] const ssize_t ignored =
      ::write(STDERR_FILENO, text.data(), text.size());
}

// A line of /proc/self/maps: "begin-end rwxp offset device inode    path".
struct Mapping {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  std::string_view path = {};  // "" if it is no file
};

std::uintptr_t hexadecimal(std::string_view& text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::uintptr_t value = 0;
  std::size_t digit = 0;
  while (!text.empty() &&
         (digit = kDigits.find(text[0])) != std::string_view::npos) {
    value = 16 * value + digit;
    text.remove_prefix(1);
  }
  return value;
}

Mapping mapping_of(std::string_view line) {
  Mapping mapping;
  mapping.begin = hexadecimal(line);
  line.remove_prefix(std::min<std::size_t>(1, line.size()));
  mapping.end = hexadecimal(line);
  const std::size_t path = line.find('/');
  // Numbers such as "fd:00" come before it, without a '/'.
  mapping.path = path == std::string_view::npos ? "" : line.substr(path);
  return mapping;
}

// Reads lines through a buffer of its own.
class Lines {
 public:
  explicit Lines(const char* path) : descriptor_(::open(path, O_RDONLY)) {}
  ~Lines() { ::close(descriptor_); }
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;

  // False at the end. A line longer than the buffer is returned in pieces.
  bool next(std::string_view& line) {
    for (;;) {
      const std::string_view rest(buffer_.data() + begin_, end_ - begin_);
      const std::size_t length = rest.find('\n');
      if (length != std::string_view::npos) {
        line = rest.substr(0, length);
        begin_ += length + 1;
        return true;
      }
      if (!fill()) {
        return false;
      }
    }
  }

 private:
  bool fill() {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    const ssize_t got =
        ::read(descriptor_, buffer_.data() + end_, buffer_.size() - end_);
    end_ += static_cast<std::size_t>(std::max<ssize_t>(0, got));
    return got > 0;
  }

  int descriptor_;
  std::array<char, 8192> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

// Writes control characters as '?', because a file's name is foreign text.
void put_name(std::string_view name) {
  std::array<char, 4096> shown{};
  const std::size_t size = std::min(name.size(), shown.size());
  std::transform(name.begin(), name.begin() + size, shown.begin(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  });
  put({shown.data(), size});
}

// The file is no longer where the map says it is. Nothing that reads it can go
// on, and where it is read, nobody can throw.
void end_by_bus_error(int signal, siginfo_t* info, void* /*context*/) {
  const auto at = reinterpret_cast<std::uintptr_t>(info->si_addr);
  Lines lines("/proc/self/maps");
  for (std::string_view line; lines.next(line);) {
    const Mapping mapping = mapping_of(line);
    if (at >= mapping.begin && at < mapping.end && !mapping.path.empty()) {
      put("error: ");
      put_name(mapping.path);
      put(": was cut short, or its disk failed, while it was being read; put "
          "new data beside it under another name, or rename it over this\n");
      ::_exit(kFailed);
    }
  }
  ::signal(signal, SIG_DFL);  // and so the read, which is tried again, ends it
}

}  // namespace

void prepare_process() {
  fill(STDIN_FILENO, O_WRONLY);
  fill(STDOUT_FILENO, O_RDONLY);
  fill(STDERR_FILENO, O_RDONLY);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
  struct sigaction bus {};
  bus.sa_sigaction = &end_by_bus_error;
  bus.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &bus, nullptr);
}

bool can_write(int descriptor, int milliseconds) {
  pollfd wanted = {.fd = descriptor, .events = POLLOUT, .revents = 0};
  return ::poll(&wanted, 1, milliseconds) == 1;
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

}  // namespace dure
