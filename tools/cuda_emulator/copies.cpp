// Copies and fills of the emulated runtime, and device memory in ranges of
// addresses (the driver's virtual memory management).
#include <cstring>
#include <memory>
#include <vector>

#include <cuda.h>
#include <cuda_runtime_api.h>

#include "tools/cuda_emulator/device_memory.h"
#include "tools/cuda_emulator/runtime.h"

namespace cuda_emulator {
namespace {

// A pitch copy; a plain one has one row.
struct RowsCopy {
  char* to;
  std::size_t to_pitch;
  const char* from;
  std::size_t from_pitch;
  std::size_t width;
  std::size_t height;
};

void copy_rows(const RowsCopy& copy) {
  for (std::size_t row = 0; row < copy.height; ++row) {
    std::memcpy(copy.to + row * copy.to_pitch,
                copy.from + row * copy.from_pitch,
                copy.width);
  }
}

std::size_t span_of(std::size_t pitch, const RowsCopy& copy) {
  return copy.height == 0 ? 0 : (copy.height - 1) * pitch + copy.width;
}

bool sides_agree(const RowsCopy& copy, cudaMemcpyKind kind) {
  const bool to = is_device(copy.to);
  const bool from = is_device(copy.from);
  switch (kind) {
    case cudaMemcpyHostToDevice:
      return to && !from;
    case cudaMemcpyDeviceToHost:
      return !to && from;
    case cudaMemcpyDeviceToDevice:
      return to && from;
    default:
      return kind == cudaMemcpyDefault;
  }
}

// Pageable memory is read before the call returns.
void from_pageable(RowsCopy copy, cudaStream_t stream) {
  auto staging = std::make_shared<std::vector<char>>(
      copy.from, copy.from + span_of(copy.from_pitch, copy));
  copy.from = staging->data();
  streams().enqueue(stream,
                    [copy, staging = std::move(staging)] { copy_rows(copy); });
}

// Until the copy is made the host finds garbage where it goes.
void to_pinned(const RowsCopy& copy, cudaStream_t stream) {
  for (std::size_t row = 0; row < copy.height; ++row) {
    fill_with_garbage(
        copy.to + row * copy.to_pitch, copy.width, streams().random());
  }
  streams().enqueue(stream, [copy] { copy_rows(copy); });
}

// What CUDA's documentation ("API synchronization behavior") says of each kind
// of memory.
cudaError_t copy(const RowsCopy& copy,
                 cudaMemcpyKind kind,
                 cudaStream_t stream) {
  if (!sides_agree(copy, kind)) {
    return cudaErrorInvalidValue;
  }
  const bool from_host = !is_device(copy.from);
  const bool to_host = !is_device(copy.to);
  if (from_host && !is_pinned(copy.from, span_of(copy.from_pitch, copy))) {
    from_pageable(copy, stream);
  } else if (to_host && is_pinned(copy.to, span_of(copy.to_pitch, copy))) {
    to_pinned(copy, stream);
  } else {
    streams().enqueue(stream, [copy] { copy_rows(copy); });
  }
  if (to_host && !is_pinned(copy.to, span_of(copy.to_pitch, copy))) {
    streams().synchronize(stream);
  }
  return cudaSuccess;
}

}  // namespace
}  // namespace cuda_emulator

using cuda_emulator::call;
using cuda_emulator::call_to_give_back;
using cuda_emulator::hold;
using cuda_emulator::streams;

// NOLINTBEGIN(readability-identifier-naming): the names are CUDA's

cudaError_t cudaMemcpyAsync(void* to,
                            const void* from,
                            std::size_t bytes,
                            cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return call("cudaMemcpyAsync", [&] {
    return cuda_emulator::copy({.to = static_cast<char*>(to),
                                .to_pitch = bytes,
                                .from = static_cast<const char*>(from),
                                .from_pitch = bytes,
                                .width = bytes,
                                .height = 1},
                               kind,
                               stream);
  });
}

cudaError_t cudaMemcpy2DAsync(void* to,
                              std::size_t to_pitch,
                              const void* from,
                              std::size_t from_pitch,
                              std::size_t width,
                              std::size_t height,
                              cudaMemcpyKind kind,
                              cudaStream_t stream) {
  return call("cudaMemcpy2DAsync", [&] {
    return cuda_emulator::copy({.to = static_cast<char*>(to),
                                .to_pitch = to_pitch,
                                .from = static_cast<const char*>(from),
                                .from_pitch = from_pitch,
                                .width = width,
                                .height = height},
                               kind,
                               stream);
  });
}

cudaError_t cudaMemsetAsync(void* to,
                            int value,
                            std::size_t bytes,
                            cudaStream_t stream) {
  return call("cudaMemsetAsync", [&] {
    if (!cuda_emulator::is_device(to)) {
      return cudaErrorInvalidValue;
    }
    streams().enqueue(stream, [=] { std::memset(to, value, bytes); });
    return cudaSuccess;
  });
}

cudaError_t cudaMalloc(void** first, std::size_t bytes) {
  return call("cudaMalloc", [&] {
    constexpr std::size_t kPage = cuda_emulator::kDevicePage;
    const std::size_t padded = (bytes + kPage - 1) / kPage * kPage;
    *first = cuda_emulator::reserve_device(padded);
    if (*first == nullptr) {
      return cudaErrorMemoryAllocation;
    }
    if (!cuda_emulator::map_device(*first, padded)) {
      cuda_emulator::free_device(*first);
      return cudaErrorMemoryAllocation;
    }
    cuda_emulator::poison(static_cast<char*>(*first) + bytes, padded - bytes);
    hold("blocks of device memory", 1);
    return cudaSuccess;
  });
}

cudaError_t cudaFree(void* first) {
  return call_to_give_back("cudaFree", [&] {
    streams().synchronize_all();
    if (first != nullptr) {
      cuda_emulator::free_device(first);
      hold("blocks of device memory", -1);
    }
    return cudaSuccess;
  });
}

namespace cuda_emulator {
namespace {

CUresult driver_error(cudaError_t error) {
  return error == cudaSuccess                 ? CUDA_SUCCESS
         : error == cudaErrorMemoryAllocation ? CUDA_ERROR_OUT_OF_MEMORY
                                              : CUDA_ERROR_UNKNOWN;
}

CUresult error_string(CUresult error, const char** text) {
  *text = error == CUDA_ERROR_OUT_OF_MEMORY ? "out of memory"
          : streams().fault().empty()       ? "unknown error"
                                            : streams().fault().c_str();
  return CUDA_SUCCESS;
}
CUresult granularity(std::size_t* bytes,
                     const CUmemAllocationProp*,
                     CUmemAllocationGranularity_flags) {
  return driver_error(call("cuMemGetAllocationGranularity", [&] {
    *bytes = kDevicePage;
    return cudaSuccess;
  }));
}
CUresult address_reserve(CUdeviceptr* first,
                         std::size_t bytes,
                         std::size_t,
                         CUdeviceptr,
                         unsigned long long) {
  return driver_error(call("cuMemAddressReserve", [&] {
    void* const range = reserve_device(bytes);
    *first = reinterpret_cast<CUdeviceptr>(range);
    if (range == nullptr) {
      return cudaErrorMemoryAllocation;
    }
    hold("ranges of device memory", 1);
    return cudaSuccess;
  }));
}
CUresult address_free(CUdeviceptr first, std::size_t) {
  return driver_error(call_to_give_back("cuMemAddressFree", [&] {
    free_device(reinterpret_cast<void*>(first));
    hold("ranges of device memory", -1);
    return cudaSuccess;
  }));
}
// A handle has no memory yet: mapping gives it. What there is not of it is
// known here, as on a device.
CUresult create(CUmemGenericAllocationHandle* handle,
                std::size_t bytes,
                const CUmemAllocationProp*,
                unsigned long long) {
  return driver_error(call("cuMemCreate", [&] {
    *handle = bytes;
    if (mapped_bytes() + bytes > device_bytes()) {
      return cudaErrorMemoryAllocation;
    }
    hold("handles of device memory", 1);
    return cudaSuccess;
  }));
}
CUresult release_handle(CUmemGenericAllocationHandle) {
  return driver_error(call_to_give_back("cuMemRelease", [] {
    hold("handles of device memory", -1);
    return cudaSuccess;
  }));
}
CUresult map(CUdeviceptr first,
             std::size_t bytes,
             std::size_t,
             CUmemGenericAllocationHandle,
             unsigned long long) {
  return driver_error(call("cuMemMap", [&] {
    return map_device(reinterpret_cast<void*>(first), bytes)
               ? cudaSuccess
               : cudaErrorMemoryAllocation;
  }));
}
CUresult unmap(CUdeviceptr first, std::size_t bytes) {
  return driver_error(call_to_give_back("cuMemUnmap", [&] {
    streams().synchronize_all();
    unmap_device(reinterpret_cast<void*>(first), bytes);
    return cudaSuccess;
  }));
}
CUresult set_access(CUdeviceptr,
                    std::size_t,
                    const CUmemAccessDesc*,
                    std::size_t) {
  return driver_error(call("cuMemSetAccess", [] { return cudaSuccess; }));
}

struct DriverFunction {
  const char* name;
  void* address;
};
const DriverFunction kDriverFunctions[] = {
    {"cuGetErrorString", reinterpret_cast<void*>(&error_string)},
    {"cuMemGetAllocationGranularity", reinterpret_cast<void*>(&granularity)},
    {"cuMemAddressReserve", reinterpret_cast<void*>(&address_reserve)},
    {"cuMemAddressFree", reinterpret_cast<void*>(&address_free)},
    {"cuMemCreate", reinterpret_cast<void*>(&create)},
    {"cuMemRelease", reinterpret_cast<void*>(&release_handle)},
    {"cuMemMap", reinterpret_cast<void*>(&map)},
    {"cuMemUnmap", reinterpret_cast<void*>(&unmap)},
    {"cuMemSetAccess", reinterpret_cast<void*>(&set_access)},
};

}  // namespace
}  // namespace cuda_emulator

cudaError_t cudaGetDriverEntryPointByVersion(
    const char* name,
    void** address,
    unsigned,
    unsigned long long,
    cudaDriverEntryPointQueryResult* result) {
  return call("cudaGetDriverEntryPointByVersion", [&] {
    *address = nullptr;
    for (const auto& function : cuda_emulator::kDriverFunctions) {
      if (std::strcmp(function.name, name) == 0) {
        *address = function.address;
      }
    }
    if (result != nullptr) {
      *result = *address == nullptr ? cudaDriverEntryPointSymbolNotFound
                                    : cudaDriverEntryPointSuccess;
    }
    return cudaSuccess;
  });
}

// NOLINTEND(readability-identifier-naming)
