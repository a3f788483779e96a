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
  const std::byte* from = host.data();
  if (!host.empty() && host.size() <= kMostStaged) {
    std::byte* const block = add(host.size()).block->get();
    std::memcpy(block, host.data(), host.size());
    from = block;
  }
  DURE_CUDA(
      cudaMemcpyAsync(y, from, host.size(), cudaMemcpyHostToDevice, stream_));
}

void CudaStaging::download(std::span<std::byte> host, const void* x) {
  std::byte* to = host.data();
  if (!host.empty() && host.size() <= kMostStaged) {
    Copy& copy = add(host.size());
    copy.to = host;
    to = copy.block->get();
  }
  DURE_CUDA(
      cudaMemcpyAsync(to, x, host.size(), cudaMemcpyDeviceToHost, stream_));
}

CudaStaging::Copy& CudaStaging::add(std::size_t bytes) {
  const std::size_t size = std::max(std::bit_ceil(bytes), kSmallestBlock);
  if (bytes_in_flight_ + size > kMostInFlight) {
    DURE_CUDA(cudaStreamSynchronize(stream_));
    finish(launched());
  }
  Copy& copy = in_flight_.emplace_back();
  copy.block_bytes = size;
  bytes_in_flight_ += size;
  auto& free = free_[size];
  if (free.empty()) {
    copy.block = std::make_unique<Pinned>();
    void* block = nullptr;
    DURE_CUDA(cudaMallocHost(&block, size));
    *copy.block->address() = static_cast<std::byte*>(block);
  } else {
    copy.block = std::move(free.back());
    free.pop_back();
  }
  return copy;
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
