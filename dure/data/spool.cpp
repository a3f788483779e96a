#include "dure/data/spool.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <unistd.h>

#include "dure/base/check.h"

namespace dure::data {
namespace {

// A multiple of 8, so pieces that are read back never split an int64.
constexpr std::size_t kPieceBytes = std::size_t{1} << 16;

int open_nameless(const Path& directory) {
  std::string name = (directory / ".spool.XXXXXX").string();
  const int descriptor = ::mkostemp(name.data(), O_CLOEXEC);
  DURE_CHECK(descriptor >= 0,
             "can't create a temporary file in {}: {}; choose a directory that "
             "exists and can be written",
             directory.string(),
             std::strerror(errno));
  ::unlink(name.c_str());
  return descriptor;
}

}  // namespace

Spool::Spool(const Path& directory)
    : directory_(directory.empty() ? Path(".") : directory),
      descriptor_(open_nameless(directory_)) {
  buffer_.reserve(kPieceBytes);
}

Spool::~Spool() {
  ::close(descriptor_);
}

void Spool::write(const void* data, std::size_t bytes) {
  if (buffer_.size() + bytes > kPieceBytes) {
    flush();
  }
  const auto* from = static_cast<const std::byte*>(data);
  buffer_.insert(buffer_.end(), from, from + bytes);
}

void Spool::flush() {
  std::size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t put = ::pwrite(descriptor_,
                                 buffer_.data() + done,
                                 buffer_.size() - done,
                                 static_cast<off_t>(flushed_ + done));
    if (put < 0 && errno == EINTR) {
      continue;
    }
    DURE_CHECK(put >= 0,
               "can't write a temporary file in {}: {}",
               directory_.string(),
               std::strerror(errno));
    done += static_cast<std::size_t>(put);
  }
  flushed_ += buffer_.size();
  buffer_.clear();
}

void Spool::read_back(
    const std::function<void(std::span<const std::byte>)>& take) {
  flush();
  std::vector<std::byte> piece(kPieceBytes);
  std::uint64_t at = 0;
  std::size_t held =
      0;  // in `piece`: takers get whole pieces, except for the last
  while (at < flushed_) {
    const ssize_t got = ::pread(descriptor_,
                                piece.data() + held,
                                kPieceBytes - held,
                                static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    DURE_CHECK(got > 0,
               "can't read a temporary file back in {}: {}",
               directory_.string(),
               got == 0 ? "it became shorter" : std::strerror(errno));
    at += static_cast<std::uint64_t>(got);
    held += static_cast<std::size_t>(got);
    if (held == kPieceBytes || at == flushed_) {
      take(std::span(piece).first(held));
      held = 0;
    }
  }
}

}  // namespace dure::data
