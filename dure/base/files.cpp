#include "dure/base/files.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/links.h"

namespace dure {
namespace {

constexpr std::size_t kLargeWrite = std::size_t{1} << 20;
constexpr std::size_t kChunk = std::size_t{1} << 16;

std::string reason() {
  return std::strerror(errno);
}

// A file descriptor that closes itself.
class Descriptor {
 public:
  Descriptor(const Path& path, int flags)
      : value_(::open(path.c_str(), flags | O_CLOEXEC)) {
    DURE_CHECK(value_ >= 0, "can't open {}: {}", path.string(), reason());
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { ::close(value_); }
  int get() const { return value_; }

 private:
  int value_;
};

struct stat status_of(int descriptor, const Path& path) {
  struct stat status {};
  DURE_CHECK(::fstat(descriptor, &status) == 0,
             "can't read the size of {}: {}",
             path.string(),
             reason());
  DURE_CHECK(!S_ISDIR(status.st_mode),
             "{} is a directory, wanted a file",
             path.string());
  return status;
}

// A FIFO is opened without waiting for its writer, and refused.
constexpr int kRegular = O_RDONLY | O_NONBLOCK;

struct stat status_of_regular(int descriptor, const Path& path) {
  const struct stat status = status_of(descriptor, path);
  DURE_CHECK(S_ISREG(status.st_mode),
             "{} is a pipe or a device, wanted a regular file",
             path.string());
  return status;
}

[[noreturn]] void fail_as_too_long(const Path& path, std::size_t most) {
  fail(
      "{} has more than {} bytes, which no text of its kind needs; "
      "is it the right file?",
      path.string(),
      most);
}

std::string read_all(int descriptor, const Path& path, std::size_t most) {
  const struct stat status = status_of(descriptor, path);
  const auto bytes = static_cast<std::size_t>(status.st_size);
  if (bytes > most) {
    fail_as_too_long(path, most);
  }
  std::string text;
  text.reserve(bytes);
  std::vector<char> chunk(kChunk);
  for (;;) {
    const ssize_t got = ::read(descriptor, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) {
      continue;
    }
    DURE_CHECK(got >= 0, "can't read {}: {}", path.string(), reason());
    if (got == 0) {
      return text;
    }
    text.append(chunk.data(), static_cast<std::size_t>(got));
    if (text.size() > most) {
      fail_as_too_long(path, most);
    }
  }
}

// The number of the open descriptor of this process that the path stands for,
// as /dev/stdout does; -1 if there is none. Such a file is not opened anew,
// because its descriptor stands where earlier output has ended.
int descriptor_meant(const Path& path) {
  constexpr int kMostLinks = 40;
  std::error_code none;
  const Path own = std::filesystem::read_symlink("/proc/self", none);
  Path at = path;
  for (int links = 0; links < kMostLinks && !none; ++links) {
    const std::string folder = at.parent_path().string();
    if (folder == "/proc/self/fd" || folder == "/dev/fd" ||
        folder == "/proc/" + own.string() + "/fd") {
      const std::string name = at.filename().string();
      return name.find_first_not_of("0123456789") == std::string::npos &&
                     name.size() < 8
                 ? std::stoi("0" + name)
                 : -1;
    }
    at = at.parent_path() / std::filesystem::read_symlink(at, none);
  }
  return -1;
}

}  // namespace

std::string read_file(const Path& path, std::size_t most) {
  const Descriptor file(path, O_RDONLY);
  return read_all(file.get(), path, most);
}

std::string read_regular_file(const Path& path, std::size_t most) {
  const Descriptor file(path, kRegular);
  status_of_regular(file.get(), path);
  return read_all(file.get(), path, most);
}

MappedFile::MappedFile(const Path& path, Access access) : path_(path) {
  const Descriptor file(path, kRegular);
  const struct stat status = status_of_regular(file.get(), path);
  device_ = status.st_dev;
  number_ = status.st_ino;
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) {  // mmap refuses a length of zero
    return;
  }
  void* map = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.get(), 0);
  DURE_CHECK(map != MAP_FAILED, "can't map {}: {}", path.string(), reason());
  ::madvise(map,
            size_,
            access == Access::kSequential ? MADV_SEQUENTIAL : MADV_NORMAL);
  data_ = static_cast<const std::byte*>(map);
}

void MappedFile::expect_unchanged() const {
  struct stat now {};
  const bool same = ::stat(path_.c_str(), &now) == 0 && now.st_dev == device_ &&
                    now.st_ino == number_;
  DURE_CHECK(
      !same || static_cast<std::size_t>(now.st_size) == size_,
      "{} had {} bytes and now has {}: it was changed while it is read; put "
      "new data beside it under another name, or rename it over this",
      path_.string(),
      size_,
      now.st_size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      device_(other.device_),
      number_(other.number_),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(device_, other.device_);
  std::swap(number_, other.number_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) {
    ::munmap(const_cast<std::byte*>(data_), size_);
  }
}

AtomicFile::AtomicFile(Path path)
    : path_(std::move(path)), target_(target_of(path_)) {
  std::error_code none;
  const auto there = std::filesystem::status(path_, none);
  DURE_CHECK(!path_.empty(), "wanted the name of a file, got an empty one");
  DURE_CHECK(path_.has_filename() && !std::filesystem::is_directory(there),
             "can't create {}: it is a directory, wanted a file",
             path_.string());
  const bool is_file = !std::filesystem::exists(there) ||
                       std::filesystem::is_regular_file(there);
  if (is_file && descriptor_meant(path_) < 0) {
    begin_file();
  } else {
    begin_stream();
  }
}

void AtomicFile::begin_file() {
  temporary_.emplace(target_);
  struct stat old {};
  const bool replaces = ::stat(target_.c_str(), &old) == 0;
  const bool allowed = !replaces || ::access(target_.c_str(), W_OK) == 0;
  descriptor_ = allowed ? ::open(temporary_->path().c_str(),
                                 O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                                 0666)
                        : -1;
  DURE_CHECK(
      descriptor_ >= 0,
      "can't create {}: {}; choose a directory that exists and can be written",
      path_.string(),
      reason());
  if (replaces) {
    // The owner first: changing it may clear bits of the mode.
    [[maybe_unused]] const int ignored =
        ::fchown(descriptor_, old.st_uid, old.st_gid);
    ::fchmod(descriptor_, old.st_mode & 07777);
  }
}

void AtomicFile::begin_stream() {
  const int meant = descriptor_meant(path_);
  descriptor_ = meant >= 0
                    ? ::fcntl(meant, F_DUPFD_CLOEXEC, 0)
                    : ::open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
  DURE_CHECK(
      descriptor_ >= 0, "can't write to {}: {}", path_.string(), reason());
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      target_(std::move(other.target_)),
      temporary_(std::move(other.temporary_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_) {}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

void AtomicFile::fail_to_write() const {
  fail("can't write {}: {}{}",
       path_.string(),
       reason(),
       temporary_ ? "; nothing was left under that name" : "");
}

void AtomicFile::put(std::size_t offset, const void* data, std::size_t bytes) {
  const char* from = static_cast<const char*>(data);
  const std::size_t begin = offset;
  const std::size_t size = bytes;
  while (bytes > 0) {
    const ssize_t put =
        temporary_
            ? ::pwrite(descriptor_, from, bytes, static_cast<off_t>(offset))
            : ::write(descriptor_, from, bytes);
    if (put < 0 && errno == EINTR) {
      continue;
    }
    if (put < 0) {
      fail_to_write();
    }
    from += put;
    offset += static_cast<std::size_t>(put);
    bytes -= static_cast<std::size_t>(put);
  }
  if (size >= kLargeWrite) {
    // The disk begins now, not at the sync in commit().
    ::sync_file_range(descriptor_,
                      static_cast<off_t>(begin),
                      static_cast<off_t>(size),
                      SYNC_FILE_RANGE_WRITE);
  }
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  put(size_, data, bytes);
  size_ += bytes;
}

void AtomicFile::write_at(std::size_t offset,
                          const void* data,
                          std::size_t bytes) {
  DURE_CHECK(temporary_.has_value(),
             "{} is a pipe or a device, and this is not written from front to "
             "end; wanted the name of a file",
             path_.string());
  put(offset, data, bytes);
}

void AtomicFile::commit() {
  // A pipe or a device has nothing to sync.
  DURE_CHECK(::fsync(descriptor_) == 0 || !temporary_,
             "can't sync {}: {}",
             path_.string(),
             reason());
  DURE_CHECK(::close(std::exchange(descriptor_, -1)) == 0,
             "can't close {}: {}",
             path_.string(),
             reason());
  if (!temporary_) {
    return;
  }
  DURE_CHECK(::rename(temporary_->path().c_str(), target_.c_str()) == 0,
             "can't rename to {}: {}",
             path_.string(),
             reason());
  sync_directory(target_.parent_path());
}

void write_file_atomically(const Path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void make_directories(const Path& path) {
  DURE_CHECK(!path.empty(), "wanted the name of a directory, got an empty one");
  std::error_code error;
  std::filesystem::create_directories(path, error);
  std::error_code none;
  const auto there = std::filesystem::status(path, none);
  const bool blocked =
      std::filesystem::exists(there) && !std::filesystem::is_directory(there);
  DURE_CHECK(!error && !blocked,
             "can't create the directory {}: {}",
             path.string(),
             blocked ? "a file of that name is in the way" : error.message());
}

void sync_directory(const Path& directory) {
  const Descriptor handle(directory.empty() ? Path(".") : directory,
                          O_RDONLY | O_DIRECTORY);
  ::fsync(handle.get());  // best effort: some file systems refuse
}

}  // namespace dure
