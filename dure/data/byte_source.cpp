#include "dure/data/byte_source.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <zlib.h>

#include "dure/base/check.h"

namespace dure::data {
namespace {

// zlib's gzread passes plain files through and reads gzip files of several
// members.
class GzipSource : public ByteSource {
 public:
  explicit GzipSource(const std::string& path)
      : path_(path), file_(::gzopen(path.c_str(), "rb")) {
    DURE_CHECK(
        file_ != nullptr, "can't open ", path, ": ", std::strerror(errno));
    ::gzbuffer(file_, kBufferBytes);
  }
  ~GzipSource() override { ::gzclose(file_); }

  std::size_t read(std::span<char> bytes) override {
    const auto most = std::min<std::size_t>(
        bytes.size(), std::numeric_limits<int>::max() / 2);
    const int got = ::gzread(file_, bytes.data(), static_cast<unsigned>(most));
    int code = Z_OK;
    const char* text = ::gzerror(file_, &code);
    DURE_CHECK(
        code != Z_ERRNO, "can't read ", path_, ": ", std::strerror(errno));
    DURE_CHECK(code != Z_BUF_ERROR,
               path_,
               ": the gzip data ends too early; the file is truncated");
    DURE_CHECK(
        got >= 0 && code == Z_OK, path_, ": the gzip data is damaged: ", text);
    return static_cast<std::size_t>(got);
  }

  std::uint64_t position() const override {
    return static_cast<std::uint64_t>(std::max<z_off_t>(0, ::gzoffset(file_)));
  }

 private:
  static constexpr unsigned kBufferBytes = 1U << 18;

  std::string path_;
  gzFile file_;
};

}  // namespace

std::unique_ptr<ByteSource> open_bytes(const std::string& path) {
  return std::make_unique<GzipSource>(path);
}

std::size_t MemorySource::read(std::span<char> bytes) {
  const std::size_t taken = std::min(bytes.size(), left_.size());
  std::copy_n(left_.begin(), taken, bytes.begin());
  left_.remove_prefix(taken);
  read_ += taken;
  return taken;
}

}  // namespace dure::data
