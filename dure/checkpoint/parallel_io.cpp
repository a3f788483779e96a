#include "dure/checkpoint/parallel_io.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <mutex>
#include <thread>
#include <unistd.h>
#include <xxhash.h>

#include "dure/base/check.h"

namespace dure::checkpoint {
namespace {

constexpr std::size_t kReadBytes = std::size_t{8} << 20;
constexpr unsigned kMostThreads = 8;

class Descriptor {
 public:
  explicit Descriptor(const Path& path)
      : value_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    DURE_CHECK(
        value_ >= 0, "can't open {}: {}", path.string(), std::strerror(errno));
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { ::close(value_); }
  int get() const { return value_; }

 private:
  int value_;
};

void read_fully(int descriptor, ReadPiece piece, const Path& path) {
  while (!piece.bytes.empty()) {
    const ssize_t got = ::pread(descriptor,
                                piece.bytes.data(),
                                piece.bytes.size(),
                                static_cast<off_t>(piece.offset));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    DURE_CHECK(
        got >= 0, "can't read {}: {}", path.string(), std::strerror(errno));
    DURE_CHECK(got > 0, "{}: ended while it was read", path.string());
    piece.bytes = piece.bytes.subspan(static_cast<std::size_t>(got));
    piece.offset += static_cast<std::uint64_t>(got);
  }
}

std::vector<ReadPiece> of_at_most(std::size_t most,
                                  std::span<const ReadPiece> pieces) {
  std::vector<ReadPiece> parts;
  for (const auto& [offset, bytes] : pieces) {
    for (std::size_t at = 0; at < bytes.size(); at += most) {
      parts.push_back(
          {offset + at, bytes.subspan(at, std::min(most, bytes.size() - at))});
    }
  }
  return parts;
}

// Hands out the tasks, and stops at the first exception.
class Queue {
 public:
  explicit Queue(const std::vector<std::function<void()>>& tasks)
      : tasks_(tasks) {}

  void work() {
    for (std::size_t i = next_++; i < tasks_.size(); i = next_++) {
      try {
        tasks_[i]();
      } catch (...) {
        const std::lock_guard lock(mutex_);
        first_ = first_ ? first_ : std::current_exception();
        next_ = tasks_.size();
      }
    }
  }

  void rethrow() const {
    if (first_) {
      std::rethrow_exception(first_);
    }
  }

 private:
  const std::vector<std::function<void()>>& tasks_;
  std::atomic<std::size_t> next_{0};
  std::mutex mutex_;
  std::exception_ptr first_;
};

}  // namespace

unsigned io_threads() {
  return std::clamp(std::thread::hardware_concurrency(), 2U, kMostThreads);
}

void run_tasks(const std::vector<std::function<void()>>& tasks) {
  const std::size_t threads = std::min<std::size_t>(tasks.size(), io_threads());
  Queue queue(tasks);
  {
    std::vector<std::jthread> workers;
    for (std::size_t i = 1; i < threads; ++i) {
      workers.emplace_back([&queue] { queue.work(); });
    }
    queue.work();
  }
  queue.rethrow();
}

void read_pieces(const Path& path, std::span<const ReadPiece> pieces) {
  const Descriptor file(path);
  const std::vector<ReadPiece> parts = of_at_most(kReadBytes, pieces);
  std::vector<std::function<void()>> tasks;
  for (std::size_t first = 0, last = 0; first < parts.size(); first = last) {
    std::size_t bytes = 0;
    for (; last < parts.size() && bytes < kReadBytes; ++last) {
      bytes += parts[last].bytes.size();
    }
    tasks.emplace_back([&, first, last] {
      for (std::size_t i = first; i < last; ++i) {
        read_fully(file.get(), parts[i], path);
      }
    });
  }
  run_tasks(tasks);
}

Xxh64::Xxh64() : state_(XXH64_createState()) {
  DURE_CHECK(state_ != nullptr, "out of memory");
  XXH64_reset(state_.get(), 0);
}
Xxh64::~Xxh64() = default;

void Xxh64::Free::operator()(XXH64_state_s* state) const {
  XXH64_freeState(state);
}

void Xxh64::add(std::span<const std::byte> bytes) {
  XXH64_update(state_.get(), bytes.data(), bytes.size());
}

std::uint64_t Xxh64::sum() const {
  return XXH64_digest(state_.get());
}

std::uint64_t xxh64(std::span<const std::byte> bytes) {
  Xxh64 hash;
  hash.add(bytes);
  return hash.sum();
}

std::uint64_t xxh64_of_file(const Path& path) {
  const Descriptor file(path);
  const std::uint64_t size = std::filesystem::file_size(path);
  Xxh64 hash;
  std::vector<std::byte> buffer(std::min<std::uint64_t>(size, kReadBytes));
  for (std::uint64_t at = 0; at < size; at += buffer.size()) {
    const std::span part = std::span(buffer).first(
        std::min<std::uint64_t>(buffer.size(), size - at));
    read_fully(file.get(), {at, part}, path);
    hash.add(part);
  }
  return hash.sum();
}

}  // namespace dure::checkpoint
