// A nameless file for data that is written now and read back once, later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "dure/base/files.h"

namespace dure::data {

// It uses space in `directory`, has no name there, and goes with the object,
// even after a kill. Writes are buffered.
class Spool {
 public:
  explicit Spool(const Path& directory);
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;
  ~Spool();

  // Throws Error if the disk is full.
  void write(const void* data, std::size_t bytes);

  // Passes everything written to `take`, from the start, in pieces.
  void read_back(const std::function<void(std::span<const std::byte>)>& take);

 private:
  void flush();

  Path directory_;
  int descriptor_ = -1;
  std::vector<std::byte> buffer_;
  std::uint64_t flushed_ = 0;
};

}  // namespace dure::data
