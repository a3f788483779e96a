#include "dure/base/files.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "dure/base/check.h"

namespace dure {
namespace {

constexpr std::size_t kLargeWrite = std::size_t{1} << 20;

std::string reason() {
  return std::strerror(errno);
}

// A file descriptor that closes itself.
class Descriptor {
 public:
  Descriptor(const Path& path, int flags)
      : value_(::open(path.c_str(), flags | O_CLOEXEC)) {
    DURE_CHECK(value_ >= 0, "can't open ", path.string(), ": ", reason());
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { ::close(value_); }
  int get() const { return value_; }

 private:
  int value_;
};

std::size_t size_of(const Descriptor& file, const Path& path) {
  struct stat status {};
  DURE_CHECK(::fstat(file.get(), &status) == 0,
             "can't read the size of ",
             path.string(),
             ": ",
             reason());
  DURE_CHECK(!S_ISDIR(status.st_mode),
             path.string(),
             " is a directory, wanted a file");
  return static_cast<std::size_t>(status.st_size);
}

// Unique within the machine's processes: ranks that are threads of one process
// may write the same path at once.
Path temporary_name(const Path& path) {
  static std::atomic<int> next{0};  // names only; no result depends on it
  return path.string() + ".tmp." + std::to_string(::getpid()) + "." +
         std::to_string(next++);
}

}  // namespace

std::string read_file(const Path& path) {
  const Descriptor file(path, O_RDONLY);
  std::string text;
  text.reserve(size_of(file, path));
  char chunk[1 << 16];
  for (;;) {
    const ssize_t got = ::read(file.get(), chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    DURE_CHECK(got >= 0, "can't read ", path.string(), ": ", reason());
    if (got == 0) {
      return text;
    }
    text.append(chunk, static_cast<std::size_t>(got));
  }
}

MappedFile::MappedFile(const Path& path, Access access) : path_(path) {
  const Descriptor file(path, O_RDONLY);
  size_ = size_of(file, path);
  if (size_ == 0) {  // mmap refuses a length of zero
    return;
  }
  void* map = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.get(), 0);
  DURE_CHECK(map != MAP_FAILED, "can't map ", path.string(), ": ", reason());
  ::madvise(map,
            size_,
            access == Access::kSequential ? MADV_SEQUENTIAL : MADV_NORMAL);
  data_ = static_cast<const std::byte*>(map);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
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
    : path_(std::move(path)), temporary_(temporary_name(path_)) {
  descriptor_ = ::open(
      temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  DURE_CHECK(descriptor_ >= 0,
             "can't create ",
             path_.string(),
             ": ",
             reason(),
             "; choose a directory that exists and can be written");
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_) {}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
    ::unlink(temporary_.c_str());
  }
}

void AtomicFile::put(std::size_t offset, const void* data, std::size_t bytes) {
  const char* from = static_cast<const char*>(data);
  const std::size_t begin = offset;
  const std::size_t size = bytes;
  while (bytes > 0) {
    const ssize_t put =
        ::pwrite(descriptor_, from, bytes, static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) {
      continue;
    }
    DURE_CHECK(put >= 0,
               "can't write ",
               path_.string(),
               ": ",
               reason(),
               "; nothing was left under that name");
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
  put(offset, data, bytes);
}

void AtomicFile::commit() {
  DURE_CHECK(
      ::fsync(descriptor_) == 0, "can't sync ", path_.string(), ": ", reason());
  DURE_CHECK(::close(std::exchange(descriptor_, -1)) == 0,
             "can't close ",
             path_.string(),
             ": ",
             reason());
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const std::string why = reason();
    ::unlink(temporary_.c_str());
    DURE_CHECK(false, "can't rename to ", path_.string(), ": ", why);
  }
  sync_directory(path_.parent_path());
}

void write_file_atomically(const Path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void make_directories(const Path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  DURE_CHECK(!error && std::filesystem::is_directory(path),
             "can't create the directory ",
             path.string(),
             ": ",
             error ? error.message() : "a file of that name is in the way");
}

void sync_directory(const Path& directory) {
  const Descriptor handle(directory.empty() ? Path(".") : directory,
                          O_RDONLY | O_DIRECTORY);
  ::fsync(handle.get());  // best effort: some file systems refuse
}

}  // namespace dure
