// Large files, written, read and summed by several threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "dure/base/files.h"

namespace dure::checkpoint {

// Runs the tasks in order on a few threads, and returns when all are done.
// Rethrows the first exception; tasks that have not begun by then never do.
void run_tasks(const std::vector<std::function<void()>>& tasks);

// A stretch of a file, from or into memory.
struct WritePiece {
  AtomicFile* file = nullptr;
  std::uint64_t offset = 0;
  std::span<const std::byte> bytes;
};
struct ReadPiece {
  std::uint64_t offset = 0;
  std::span<std::byte> bytes;
};

// Appends tasks that write the piece, 8 MiB each.
void add_write_tasks(const WritePiece& piece,
                     std::vector<std::function<void()>>& tasks);

// Fills all pieces from one file. Error where it ends before them.
void read_pieces(const Path& path, std::span<const ReadPiece> pieces);

// XXH64 with seed 0 of the bytes one after another, as `xxhsum -H64` prints it.
std::uint64_t xxh64(std::span<const std::span<const std::byte>> parts);
std::uint64_t xxh64_of_file(const Path& path);

}  // namespace dure::checkpoint
