#include "dure/data/preprocess/byte_source.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include "dure/base/check.h"

namespace dure::data {
namespace {

class DescriptorSource : public ByteSource {
 public:
  // Closes the descriptor, unless it is standard input.
  DescriptorSource(int descriptor, std::string name)
      : descriptor_(descriptor), name_(std::move(name)) {}
  ~DescriptorSource() override {
    if (descriptor_ != STDIN_FILENO) {
      ::close(descriptor_);
    }
  }

  std::size_t read(std::span<char> bytes) override {
    for (;;) {
      const ssize_t got = ::read(descriptor_, bytes.data(), bytes.size());
      if (got >= 0) {
        position_ += static_cast<std::uint64_t>(got);
        return static_cast<std::size_t>(got);
      }
      DURE_CHECK(
          errno == EINTR, "can't read {}: {}", name_, std::strerror(errno));
    }
  }

  std::uint64_t position() const override { return position_; }

 private:
  int descriptor_;
  std::string name_;
  std::uint64_t position_ = 0;
};

}  // namespace

std::unique_ptr<ByteSource> open_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  DURE_CHECK(descriptor >= 0, "can't open {}: {}", path, std::strerror(errno));
  return std::make_unique<DescriptorSource>(descriptor, path);
}

std::unique_ptr<ByteSource> standard_input() {
  return std::make_unique<DescriptorSource>(STDIN_FILENO, "standard input");
}

std::size_t MemorySource::read(std::span<char> bytes) {
  const std::size_t taken = std::min(bytes.size(), left_.size());
  std::copy_n(left_.begin(), taken, bytes.begin());
  left_.remove_prefix(taken);
  read_ += taken;
  return taken;
}

PeekedSource::PeekedSource(std::unique_ptr<ByteSource> source)
    : source_(std::move(source)) {}

std::string_view PeekedSource::peek(std::size_t bytes) {
  ahead_.erase(0, std::exchange(begin_, 0));
  while (ahead_.size() < bytes) {
    const std::size_t had = ahead_.size();
    ahead_.resize(bytes);
    const std::size_t got = source_->read(std::span(ahead_).subspan(had));
    ahead_.resize(had + got);
    if (got == 0) {
      break;
    }
  }
  return std::string_view(ahead_).substr(0, bytes);
}

void PeekedSource::skip(std::size_t bytes) {
  begin_ += std::min(bytes, ahead_.size() - begin_);
}

std::size_t PeekedSource::read(std::span<char> bytes) {
  const std::size_t here = std::min(bytes.size(), ahead_.size() - begin_);
  if (here == 0) {
    return source_->read(bytes);
  }
  std::copy_n(ahead_.begin() + begin_, here, bytes.begin());
  begin_ += here;
  return here;
}

}  // namespace dure::data
