#include "dure/tensor/cuda/staging.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "dure/tensor/cuda/check.h"

namespace dure {
namespace {

// More than a step's batches and results. Beyond it the host waits.
constexpr std::size_t kMostInFlight = std::size_t{64} << 20;
constexpr std::size_t kSmallestBlock = 4096;

}  // namespace

void CudaStaging::upload(void* y, std::span<const std::byte> host) {
  if (host.empty() || host.size() > kMostStaged) {
    DURE_CUDA(cudaMemcpyAsync(
        y, host.data(), host.size(), cudaMemcpyHostToDevice, stream_));
    return;
  }
  Copy copy = staged(host.size());
  std::memcpy(copy.block->get(), host.data(), host.size());
  DURE_CUDA(cudaMemcpyAsync(
      y, copy.block->get(), host.size(), cudaMemcpyHostToDevice, stream_));
  launch(std::move(copy));
}

void CudaStaging::download(std::span<std::byte> host, const void* x) {
  if (host.empty() || host.size() > kMostStaged) {
    DURE_CUDA(cudaMemcpyAsync(
        host.data(), x, host.size(), cudaMemcpyDeviceToHost, stream_));
    return;
  }
  Copy copy = staged(host.size());
  copy.to = host;
  DURE_CUDA(cudaMemcpyAsync(
      copy.block->get(), x, host.size(), cudaMemcpyDeviceToHost, stream_));
  launch(std::move(copy));
}

// A copy with a block that holds so many bytes.
CudaStaging::Copy CudaStaging::staged(std::size_t bytes) {
  const std::size_t size = std::max(std::bit_ceil(bytes), kSmallestBlock);
  if (bytes_in_flight_ + size > kMostInFlight) {
    DURE_CUDA(cudaStreamSynchronize(stream_));
    finish(launched());
  }
  Copy copy = {.block = {}, .block_bytes = size, .to = {}};
  auto& free = free_[size];
  if (!free.empty()) {
    copy.block = std::move(free.back());
    free.pop_back();
    return copy;
  }
  copy.block = std::make_unique<Pinned>();
  void* block = nullptr;
  DURE_CUDA(cudaMallocHost(&block, size));
  *copy.block->address() = static_cast<std::byte*>(block);
  return copy;
}

// Only a copy that the device has taken is in flight: a failed one must not
// write to the host later.
void CudaStaging::launch(Copy copy) {
  bytes_in_flight_ += copy.block_bytes;
  in_flight_.push_back(std::move(copy));
}

void CudaStaging::finish(std::int64_t count) {
  for (; finished_ < count; ++finished_) {
    Copy& copy = in_flight_.front();
    if (!copy.to.empty()) {
      std::memcpy(copy.to.data(), copy.block->get(), copy.to.size());
    }
    bytes_in_flight_ -= copy.block_bytes;
    free_[copy.block_bytes].push_back(std::move(copy.block));
    in_flight_.pop_front();
  }
}

}  // namespace dure
