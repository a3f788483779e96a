// Messages of any size as MPI takes them: in pieces, for it counts in int.
#pragma once

#include <algorithm>
#include <cstddef>

namespace dure::comm {

constexpr std::size_t kPieceBytes = std::size_t{1} << 30;

// Calls post(offset, bytes) for each piece: one at least, for a message of
// nothing is one too.
template <typename Post>
void for_each_piece(std::size_t bytes, const Post& post) {
  std::size_t offset = 0;
  do {
    const std::size_t length = std::min(kPieceBytes, bytes - offset);
    post(offset, static_cast<int>(length));
    offset += length;
  } while (offset < bytes);
}

}  // namespace dure::comm
