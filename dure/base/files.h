// Files: whole reads, memory maps, and writes that either happen or do not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "dure/base/temporary.h"

namespace dure {

// Far above what a configuration, a manifest or a tokenizer takes.
inline constexpr std::size_t kMostText = std::size_t{1} << 28;

// The whole file, which may be a pipe or a device. Throws Error if it can't be
// read or has more than `most` bytes, as an input without an end has.
std::string read_file(const Path& path, std::size_t most = kMostText);

// Like read_file(), for files in a folder that we wrote. A FIFO or a device in
// such a place is an error, because reading it might wait for ever.
std::string read_regular_file(const Path& path, std::size_t most = kMostText);

// A read-only map of a whole regular file, which may be empty. It can be moved.
class MappedFile {
 public:
  // How the file will be read: the kernel's read-ahead follows it.
  enum class Access { kSequential, kRandom };

  explicit MappedFile(const Path& path, Access access = Access::kRandom);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(data_), size_};
  }
  const Path& path() const { return path_; }

  // Throws Error if the file no longer has the size that it was mapped with: a
  // read beyond its new end would end the process (process.h), and a read
  // before it gives other data. A file that was renamed over it is another file
  // and changes nothing. Takes a microsecond.
  void expect_unchanged() const;

 private:
  Path path_;
  std::uint64_t device_ = 0;
  std::uint64_t number_ = 0;  // with the device: which file it is
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// A file that appears under its name, whole, at commit(), or never: bytes go to
// a Temporary, which commit() syncs and renames. Without a commit the old file
// stays. If the path leads through links, the file appears where they lead, and
// the links stay. A file that is replaced passes on its mode, and its owner as
// far as the system lets us. A device or a pipe (or /dev/stdout) can't be
// replaced: bytes are written to it as they come. A directory is an error, and
// so is a file that may not be written.
//
// Every failure (full disk, read-only directory) is an Error that names the
// path. Several threads may write_at() different bytes at once; everything else
// is for one thread at a time.
class AtomicFile {
 public:
  explicit AtomicFile(Path path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  // Writes anywhere, for example a header's counts over those written before;
  // size() counts only what write() appended. Throws Error for devices and
  // pipes, which are written from front to end.
  void write_at(std::size_t offset, const void* data, std::size_t bytes);
  std::size_t size() const { return size_; }
  void commit();

 private:
  void begin_file();
  void begin_stream();
  void put(std::size_t offset, const void* data, std::size_t bytes);
  [[noreturn]] void fail_to_write() const;

  Path path_;                           // as it was given, for messages
  Path target_;                         // and where it leads
  std::optional<Temporary> temporary_;  // none: a device or a pipe
  int descriptor_ = -1;
  std::size_t size_ = 0;
};

void write_file_atomically(const Path& path, std::string_view text);

// Creates the directory and its parents; an existing one is fine.
void make_directories(const Path& path);

// Makes a rename or an unlink inside the directory durable.
void sync_directory(const Path& directory);

}  // namespace dure
