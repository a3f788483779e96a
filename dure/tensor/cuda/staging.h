// Copies between a GPU and any memory of the host that neither block the host
// nor hold on to its memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "dure/tensor/cuda/handle.h"

namespace dure {

// Copies go through pinned blocks, which are used again. A copy of more
// than kMostStaged bytes goes directly and may block the host. Threads: one at
// a time.
class CudaStaging {
 public:
  static constexpr std::size_t kMostStaged = std::size_t{8} << 20;

  explicit CudaStaging(cudaStream_t stream) : stream_(stream) {}

  // y = host, in the stream's order. The host's bytes may change on return.
  void upload(void* y, std::span<const std::byte> host);

  // host = x, in the stream's order. The bytes are there after a finish() that
  // counts this copy.
  void download(std::span<std::byte> host, const void* x);

  // The copies that were launched so far.
  std::int64_t launched() const { return finished_ + std::ssize(in_flight_); }

  // The device has done the first `count` copies.
  void finish(std::int64_t count);

 private:
  using Pinned = CudaHandle<std::byte*, cudaFreeHost>;
  struct Copy {
    std::unique_ptr<Pinned> block;
    std::size_t block_bytes = 0;
    std::span<std::byte> to;  // empty: an upload
  };

  Copy staged(std::size_t bytes);
  void launch(Copy copy);

  cudaStream_t stream_;
  std::deque<Copy> in_flight_;
  std::int64_t finished_ = 0;
  std::size_t bytes_in_flight_ = 0;
  std::map<std::size_t, std::vector<std::unique_ptr<Pinned>>> free_;
};

}  // namespace dure
