// Files: whole reads, memory maps, and writes that either happen or do not.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace dure {

using Path = std::filesystem::path;

// The whole file. Throws Error where it can't be read.
std::string read_file(const Path& path);

// A read-only map of a whole file; empty files are allowed. Movable.
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

 private:
  Path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// A file that appears under its name, whole, at commit(), or never: bytes go to
// a neighbour "NAME.tmp.PID.N", which commit() syncs and renames. A destructor
// without commit removes the neighbour. Every failure (full disk, read-only
// directory) is an Error that names the path. Several threads may write_at()
// different bytes at once; all else is for one thread at a time.
class AtomicFile {
 public:
  explicit AtomicFile(Path path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  // Writes anywhere, such as a header's counts over those written before;
  // size() counts only what write() appended.
  void write_at(std::size_t offset, const void* data, std::size_t bytes);
  std::size_t size() const { return size_; }
  void commit();

 private:
  void put(std::size_t offset, const void* data, std::size_t bytes);

  Path path_;
  Path temporary_;
  int descriptor_ = -1;
  std::size_t size_ = 0;
};

void write_file_atomically(const Path& path, std::string_view text);

// Creates the directory and its parents; an existing one is fine.
void make_directories(const Path& path);

// Makes a rename or an unlink inside the directory durable.
void sync_directory(const Path& directory);

}  // namespace dure
