#include "dure/tensor/cuda/devices.h"

#include <array>
#include <exception>
#include <fmt/core.h>

#include <cublasLt.h>

#include "dure/base/check.h"
#include "dure/tensor/cuda/check.h"

namespace dure {
namespace {

// "13.0" of 13000.
std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

// "13.1.0" of 130100.
std::string cublaslt_text(std::size_t version) {
  return fmt::format(
      "{}.{}.{}", version / 10000, version % 10000 / 100, version % 100);
}

// Sets another device than the thread's while it lives.
class WithDevice {
 public:
  explicit WithDevice(int device) {
    DURE_CUDA(cudaGetDevice(&before_));
    DURE_CUDA(cudaSetDevice(device));
  }
  WithDevice(const WithDevice&) = delete;
  WithDevice& operator=(const WithDevice&) = delete;
  ~WithDevice() { cudaSetDevice(before_); }

 private:
  int before_ = 0;
};

void ask(int number, CudaDevice& device) {
  cudaDeviceProp properties = {};
  DURE_CUDA(cudaGetDeviceProperties(&properties, number));
  device.name = properties.name;
  device.major = properties.major;
  device.minor = properties.minor;
  device.multiprocessors = properties.multiProcessorCount;
  device.bytes = properties.totalGlobalMem;
  std::array<char, 32> bus = {};
  DURE_CUDA(cudaDeviceGetPCIBusId(bus.data(), bus.size(), number));
  device.pci_bus = bus.data();
  const WithDevice with(number);
  DURE_CUDA(cudaMemGetInfo(&device.free_bytes, &device.bytes));
}

// Another process may have the device for itself, or all of its memory.
CudaDevice device_of(int number) {
  CudaDevice device;
  try {
    ask(number, device);
  } catch (const Error& error) {
    device.error = error.what();
    cudaGetLastError();  // the next device is asked afresh
  }
  return device;
}

CudaPair pair_of(int from, int to) {
  const auto ask_link = [&](cudaDeviceP2PAttr attribute) {
    int value = 0;
    DURE_CUDA(cudaDeviceGetP2PAttribute(&value, attribute, from, to));
    return value;
  };
  return {.from = from,
          .to = to,
          .has_access = ask_link(cudaDevP2PAttrAccessSupported) != 0,
          .has_atomics = ask_link(cudaDevP2PAttrNativeAtomicSupported) != 0,
          .performance_rank = ask_link(cudaDevP2PAttrPerformanceRank)};
}

void find_devices(CudaMachine& machine) {
  int count = 0;
  DURE_CUDA(cudaGetDeviceCount(&count));
  for (int i = 0; i < count; ++i) {
    machine.devices.push_back(device_of(i));
  }
  for (int from = 0; from < count; ++from) {
    for (int to = 0; to < count; ++to) {
      if (from != to) {
        machine.pairs.push_back(pair_of(from, to));
      }
    }
  }
}

}  // namespace

CudaMachine this_cuda_machine() {
  CudaMachine machine;
  int driver = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess) {
    cudaGetLastError();
  }
  machine.runtime = version_text(CUDART_VERSION);
  machine.cublaslt = cublaslt_text(cublasLtGetVersion());
  if (driver == 0) {
    machine.missing = fmt::format(
        "there is no NVIDIA driver: install one that runs CUDA {}, or start "
        "the container with the machine's GPUs and driver",
        machine.runtime);
    return machine;
  }
  machine.driver = version_text(driver);
  try {
    find_devices(machine);
  } catch (const Error& error) {
    machine.missing = error.what();
    cudaGetLastError();
  }
  return machine;
}

}  // namespace dure
