// Where text comes from: a file, compressed or not, or memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace dure::data {

class ByteSource {
 public:
  ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  virtual ~ByteSource() = default;

  // Fills `bytes` as far as it can; 0 means the end.
  virtual std::size_t read(std::span<char> bytes) = 0;

  // Bytes of the file itself that were read: compressed ones, where it is.
  virtual std::uint64_t position() const = 0;
};

// A file, through zlib where it is gzip (by its first bytes, not by its name).
// A missing, damaged or truncated file is an Error, here or in read().
std::unique_ptr<ByteSource> open_bytes(const std::string& path);

// A view of bytes that must outlive it.
class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::string_view text) : left_(text) {}

  std::size_t read(std::span<char> bytes) override;
  std::uint64_t position() const override { return read_; }

 private:
  std::string_view left_;
  std::uint64_t read_ = 0;
};

}  // namespace dure::data
