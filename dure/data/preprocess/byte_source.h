// A sequence of bytes: from a file, a pipe, a device, or memory. Nothing is
// read twice, so the source need not be seekable.
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

  // The bytes of the file itself that were read, which are compressed in a
  // compressed file.
  virtual std::uint64_t position() const = 0;
};

// The bytes of a file as they are. Opening a named pipe waits until somebody
// writes. Throws Error if it can't be opened or read, here or in read().
std::unique_ptr<ByteSource> open_file(const std::string& path);

// The bytes of standard input.
std::unique_ptr<ByteSource> standard_input();

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

// A source whose beginning can be looked at before it is read.
class PeekedSource : public ByteSource {
 public:
  explicit PeekedSource(std::unique_ptr<ByteSource> source);

  // The next so many bytes, fewer only if the source ends; valid until the next
  // call. Does not consume them.
  std::string_view peek(std::size_t bytes);
  void skip(std::size_t bytes);  // at most as many as were peeked

  std::size_t read(std::span<char> bytes) override;
  std::uint64_t position() const override { return source_->position(); }

 private:
  std::unique_ptr<ByteSource> source_;
  std::string ahead_;
  std::size_t begin_ = 0;  // the first byte in `ahead_` that is not read yet
};

}  // namespace dure::data
