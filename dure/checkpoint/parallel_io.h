// Large files, written, read and summed by several threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "dure/base/files.h"

struct XXH64_state_s;  // xxhash.h

namespace dure::checkpoint {

// Enough to keep a disk's queue filled while some threads sum. More would only
// wait for one another.
unsigned io_threads();

// Runs the tasks in order on a few threads, and returns when all are done.
// Rethrows the first exception; tasks that have not begun by then never do.
void run_tasks(const std::vector<std::function<void()>>& tasks);

// A range of a file, and the memory it is read into.
struct ReadPiece {
  std::uint64_t offset = 0;
  std::span<std::byte> bytes;
};

// Fills all pieces from one file. Throws Error if the file ends before them.
void read_pieces(const Path& path, std::span<const ReadPiece> pieces);

// XXH64 with seed 0 over all added bytes, as `xxhsum -H64` prints it.
class Xxh64 {
 public:
  Xxh64();
  Xxh64(Xxh64&&) noexcept = default;
  Xxh64& operator=(Xxh64&&) noexcept = default;
  ~Xxh64();

  void add(std::span<const std::byte> bytes);
  std::uint64_t sum() const;

 private:
  struct Free {
    void operator()(XXH64_state_s* state) const;
  };
  std::unique_ptr<XXH64_state_s, Free> state_;
};

std::uint64_t xxh64(std::span<const std::byte> bytes);
std::uint64_t xxh64_of_file(const Path& path);

}  // namespace dure::checkpoint
