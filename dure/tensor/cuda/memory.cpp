// Memory of a GPU: addresses are reserved, and their pages get memory as they
// are needed [CUDA Driver API, "Virtual Memory Management"].
#include "dure/tensor/memory.h"

#include <algorithm>
#include <map>
#include <vector>

#include "dure/base/arithmetic.h"
#include "dure/base/check.h"
#include "dure/tensor/cuda/check.h"
#include "dure/tensor/cuda/driver.h"
#include "dure/tensor/cuda/queue.h"

#ifdef DURE_CUDA_EMULATED
#include "tools/cuda_emulator/emulator.h"
#endif

namespace dure {
namespace {

// Memory becomes usable in steps of this many bytes at least.
constexpr std::size_t kStep = std::size_t{32} << 20;

CUmemAllocationProp properties_of(int device) {
  CUmemAllocationProp properties = {};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device};
  return properties;
}

CUdeviceptr address_of(const std::byte* at) {
  return reinterpret_cast<CUdeviceptr>(at);
}

class CudaMemory final : public Memory {
 public:
  explicit CudaMemory(CudaQueue& queue) : queue_(queue) {
    DURE_CUDA(cudaGetDevice(&device_));
    const CUmemAllocationProp properties = properties_of(device_);
    check_driver(cuda_driver().granularity(
                     &page_, &properties, CU_MEM_ALLOC_GRANULARITY_RECOMMENDED),
                 "cuMemGetAllocationGranularity");
  }

  Tier tier() const override { return Tier::kDevice; }

  MemoryLimit limit() const override {
    std::size_t free = 0;
    std::size_t total = 0;
    DURE_CUDA(cudaMemGetInfo(&free, &total));
    return {.bytes = free, .name = "the GPU's free memory"};
  }

  Range reserve(std::size_t least, std::size_t most) override {
    const std::size_t bytes = round_up(std::max(least, most), page_);
    CUdeviceptr first = 0;
    check_driver(cuda_driver().reserve(&first, bytes, 0, 0, 0),
                 "cuMemAddressReserve");
    return {.first = reinterpret_cast<std::byte*>(first), .bytes = bytes};
  }

  void make_usable(Range& range, std::size_t bytes) override;
  void give_back(const Range& range) noexcept override;

#ifdef DURE_CUDA_EMULATED
  void begin_use(void* block, std::size_t bytes) noexcept override {
    cuda_emulator::begin_use(queue_.stream(), block, bytes);
  }
  void end_use(void* block, std::size_t bytes) noexcept override {
    cuda_emulator::end_use(queue_.stream(), block, bytes);
  }
#endif

 private:
  void map(std::byte* first, std::size_t bytes);

  CudaQueue& queue_;
  int device_ = 0;
  std::size_t page_ = 0;
  // The pieces of memory behind each range, by its first address.
  std::map<const std::byte*, std::vector<std::size_t>> pieces_;
};

void CudaMemory::make_usable(Range& range, std::size_t bytes) {
  if (bytes <= range.usable) {
    return;
  }
  const std::size_t wanted = std::min(
      std::max(round_up(bytes - range.usable, page_), round_up(kStep, page_)),
      range.bytes - range.usable);
  map(range.first + range.usable, wanted);
  pieces_[range.first].push_back(wanted);
  range.usable += wanted;
}

void CudaMemory::map(std::byte* first, std::size_t bytes) {
  const CUmemAllocationProp properties = properties_of(device_);
  CUmemGenericAllocationHandle handle = 0;
  const CUresult made = cuda_driver().create(&handle, bytes, &properties, 0);
  DURE_CHECK(made != CUDA_ERROR_OUT_OF_MEMORY,
             "the GPU has no {} MiB more: another process may hold its memory "
             "(nvidia-smi), or memory.limit_gib is too high",
             bytes >> 20);
  check_driver(made, "cuMemCreate");
  const CUresult mapped =
      cuda_driver().map(address_of(first), bytes, 0, handle, 0);
  // A mapping keeps its memory.
  const CUresult released = cuda_driver().release(handle);
  check_driver(mapped, "cuMemMap");
  const CUmemAccessDesc access = {.location = properties.location,
                                  .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
  const CUresult opened =
      cuda_driver().set_access(address_of(first), bytes, &access, 1);
  if (opened != CUDA_SUCCESS || released != CUDA_SUCCESS) {
    cuda_driver().unmap(address_of(first), bytes);
  }
  check_driver(released, "cuMemRelease");
  check_driver(opened, "cuMemSetAccess");
}

// Nothing can be done about an error here.
void CudaMemory::give_back(const Range& range) noexcept {
  cudaStreamSynchronize(queue_.stream());
  static_cast<void>(cudaGetLastError());  // the runtime keeps it
  std::byte* first = range.first;
  for (const std::size_t bytes : pieces_[range.first]) {
    cuda_driver().unmap(address_of(first), bytes);
    first += bytes;
  }
  cuda_driver().free(address_of(range.first), range.bytes);
  pieces_.erase(range.first);
}

}  // namespace

std::unique_ptr<Memory> make_cuda_memory(DeviceQueue& queue) {
  return std::make_unique<CudaMemory>(cuda_queue(queue));
}

}  // namespace dure
