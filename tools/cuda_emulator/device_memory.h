// Device memory of the emulated device: ranges of addresses, closed to the
// host.
#pragma once

#include <cstddef>

namespace cuda_emulator {

// Addresses of device memory, in pages of this size. Returns null if the
// machine has no more.
inline constexpr std::size_t kDevicePage = std::size_t{2} << 20;
void* reserve_device(std::size_t bytes);
void free_device(void* first);
// Gives the pages memory, which holds garbage.
bool map_device(void* first, std::size_t bytes);
void unmap_device(void* first, std::size_t bytes);

// All memory of the device, as cudaMemGetInfo tells it: the environment
// variable CUDA_EMULATOR_MEMORY_MIB gives the total, else it is 4096 MiB.
std::size_t device_bytes();
std::size_t mapped_bytes();

// Whether all these bytes are addresses of one range.
bool is_device(const void* address, std::size_t bytes = 1);

// Pinned memory of the host: copies from and to it are asynchronous.
void* allocate_pinned(std::size_t bytes);
void free_pinned(void* first);
bool is_pinned(const void* first, std::size_t bytes);

// Device memory can be accessed while one of these lives. Nested.
class OpenMemory {
 public:
  OpenMemory();
  OpenMemory(const OpenMemory&) = delete;
  OpenMemory& operator=(const OpenMemory&) = delete;
  ~OpenMemory();
};

}  // namespace cuda_emulator
