// A nameless file for what is written now and read back once, later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "dure/base/files.h"

namespace dure::data {

// Lies in `directory` (which must have the room), has no name there, and is
// gone when the object is: also after a kill. Buffers what it is given.
class Spool {
 public:
  explicit Spool(const Path& directory);
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;
  ~Spool();

  // A full disk is an Error.
  void write(const void* data, std::size_t bytes);

  // Everything written, from the start, in pieces.
  void read_back(const std::function<void(std::span<const std::byte>)>& take);

 private:
  void flush();

  Path directory_;
  int descriptor_ = -1;
  std::vector<std::byte> buffer_;
  std::uint64_t flushed_ = 0;
};

}  // namespace dure::data
