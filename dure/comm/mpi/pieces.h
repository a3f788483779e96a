// Messages of any size as pieces, because MPI counts in int.
#pragma once

#include <algorithm>
#include <cstddef>

namespace dure::comm {

constexpr std::size_t kPieceBytes = std::size_t{1} << 30;

// Calls post(offset, bytes) for each piece. A message of no bytes has one.
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
