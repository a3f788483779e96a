#include "tools/cuda_emulator/runtime.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tools/cuda_emulator/device_memory.h"
#include "tools/cuda_emulator/launch.h"

namespace cuda_emulator {
namespace {

// Limits of a device with compute capability 9.0 [CUDA C++ Programming Guide,
// table of technical specifications].
constexpr unsigned kMostThreads = 1024;
constexpr unsigned kMostThreadsInZ = 64;
constexpr unsigned kMostBlocksInYZ = 65535;
constexpr std::size_t kSharedBytes = std::size_t{48} << 10;
constexpr std::size_t kMostSharedBytes = std::size_t{227} << 10;

struct Injection {
  std::int64_t calls = 0;
  std::int64_t fails = -1;
  std::string failed;
  bool is_recorded = false;
  std::vector<std::string> names = {};
};
Injection& injection() {
  static auto* const one = new Injection;
  return *one;
}

std::map<std::string, std::int64_t>& all_held() {
  static auto* const all = new std::map<std::string, std::int64_t>;
  return *all;
}

// The dynamic shared memory that kernels may have, by their addresses.
std::map<const void*, std::size_t>& shared_limits() {
  static auto* const all = new std::map<const void*, std::size_t>;
  return *all;
}

thread_local cudaError_t last_error = cudaSuccess;
thread_local int device = 0;

bool fits(const KernelLaunch& kernel) {
  const dim3& g = kernel.grid;
  const dim3& b = kernel.block;
  const auto limit = shared_limits().find(kernel.address);
  const std::size_t shared =
      limit == shared_limits().end() ? kSharedBytes : limit->second;
  return g.x > 0 && g.y > 0 && g.z > 0 && b.x > 0 && b.y > 0 && b.z > 0 &&
         g.x <= 0x7FFFFFFFU && g.y <= kMostBlocksInYZ &&
         g.z <= kMostBlocksInYZ && b.z <= kMostThreadsInZ &&
         std::size_t{b.x} * b.y * b.z <= kMostThreads &&
         kernel.shared_bytes <= shared;
}

}  // namespace

bool fails_now(const char* function) {
  Injection& all = injection();
  if (all.is_recorded) {
    all.names.emplace_back(function);
  }
  if (all.calls++ != all.fails) {
    return false;
  }
  all.failed = function;
  return true;
}

void hold(const char* kind, std::int64_t more) {
  all_held()[kind] += more;
}

cudaError_t remember(cudaError_t error) {
  if (error != cudaSuccess) {
    last_error = error;
  }
  return error;
}

std::int64_t calls() {
  return injection().calls;
}
void fail_call(std::int64_t number) {
  injection().fails = number;
}
std::string failed_function() {
  return injection().failed;
}
void record_calls() {
  injection().is_recorded = true;
  injection().names.clear();
}
std::vector<std::string> recorded_calls() {
  injection().is_recorded = false;
  return injection().names;
}
std::map<std::string, std::int64_t> held() {
  const std::scoped_lock lock(streams().lock());
  std::map<std::string, std::int64_t> all = all_held();
  all["bytes of device memory"] = static_cast<std::int64_t>(mapped_bytes());
  std::erase_if(all, [](const auto& kind) { return kind.second == 0; });
  return all;
}
std::string last_fault() {
  return streams().fault();
}
void forget_fault() {
  streams().set_fault("");
  last_error = cudaSuccess;
}
void set_seed(std::uint64_t value) {
  streams().set_seed(value);
}
std::uint64_t seed() {
  return streams().seed();
}

int capability() {
  const char* const text = std::getenv("CUDA_EMULATOR_CAPABILITY");
  return text == nullptr ? 90 : std::atoi(text);
}

int device_count() {
  const char* const text = std::getenv("CUDA_EMULATOR_DEVICES");
  return text == nullptr ? 1 : std::atoi(text);
}

void end_use(void* stream, void* first, std::size_t bytes) {
  const std::scoped_lock lock(streams().lock());
  streams().enqueue(static_cast<cudaStream_t>(stream), [=] {
    unpoison(first, bytes);  // the end that its owner had no use of
    fill_with_garbage(first, bytes, streams().random());
    poison(first, bytes);
  });
}
void begin_use(void* stream, void* first, std::size_t bytes) {
  const std::scoped_lock lock(streams().lock());
  streams().enqueue(static_cast<cudaStream_t>(stream),
                    [=] { unpoison(first, bytes); });
}

cudaError_t launch(const KernelLaunch& kernel, std::function<void()> thread) {
  return call("cudaLaunchKernel", [&] {
    if (!fits(kernel)) {
      return cudaErrorInvalidConfiguration;
    }
    streams().enqueue(kernel.stream, [kernel, thread = std::move(thread)] {
      kernel.stream->blocks.run({.kernel = kernel.kernel,
                                 .grid = kernel.grid,
                                 .block = kernel.block,
                                 .shared_bytes = kernel.shared_bytes},
                                thread,
                                streams().random());
    });
    return cudaSuccess;
  });
}

}  // namespace cuda_emulator

using cuda_emulator::call;
using cuda_emulator::call_to_give_back;
using cuda_emulator::hold;
using cuda_emulator::streams;

// NOLINTBEGIN(readability-identifier-naming): the names are CUDA's

cudaError_t cudaGetLastError() {
  return std::exchange(cuda_emulator::last_error, cudaSuccess);
}
cudaError_t cudaPeekAtLastError() {
  return cuda_emulator::last_error;
}
const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorInvalidResourceHandle:
      return "cudaErrorInvalidResourceHandle";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    default:
      return "cudaErrorUnknown";
  }
}
// The text of a failed kernel is that of its fault.
const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorLaunchFailure && !streams().fault().empty()
             ? streams().fault().c_str()
             : cudaGetErrorName(error);
}

cudaError_t cudaGetDeviceCount(int* count) {
  return call("cudaGetDeviceCount", [&] {
    *count = cuda_emulator::device_count();
    return *count > 0    ? cudaSuccess
           : *count == 0 ? cudaErrorNoDevice
                         : cudaErrorInsufficientDriver;
  });
}
cudaError_t cudaSetDevice(int device) {
  return call("cudaSetDevice", [&] {
    if (device < 0 || device >= cuda_emulator::device_count()) {
      return cudaErrorInvalidDevice;
    }
    cuda_emulator::device = device;
    return cudaSuccess;
  });
}
cudaError_t cudaGetDevice(int* device) {
  *device = cuda_emulator::device;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = cuda_emulator::device_count() < 0 ? 0 : CUDART_VERSION;
  return cudaSuccess;
}

// The count of multiprocessors depends on the seed: no result may.
cudaError_t cudaDeviceGetAttribute(int* value,
                                   cudaDeviceAttr attribute,
                                   int /*device*/) {
  return call("cudaDeviceGetAttribute", [&] {
    switch (attribute) {
      case cudaDevAttrMultiProcessorCount:
        *value = 1 + static_cast<int>(streams().random().below(8));
        return cudaSuccess;
      case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = static_cast<int>(cuda_emulator::kMostSharedBytes);
        return cudaSuccess;
      case cudaDevAttrMaxThreadsPerBlock:
        *value = cuda_emulator::kMostThreads;
        return cudaSuccess;
      case cudaDevAttrComputeCapabilityMajor:
        *value = cuda_emulator::capability() / 10;
        return cudaSuccess;
      case cudaDevAttrComputeCapabilityMinor:
        *value = cuda_emulator::capability() % 10;
        return cudaSuccess;
      default:
        return cudaErrorInvalidValue;
    }
  });
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties,
                                    int /*device*/) {
  return call("cudaGetDeviceProperties", [&] {
    *properties = {};
    std::strcpy(properties->name, "emulated device");
    properties->totalGlobalMem = cuda_emulator::device_bytes();
    properties->major = cuda_emulator::capability() / 10;
    properties->minor = cuda_emulator::capability() % 10;
    properties->multiProcessorCount = 4;
    return cudaSuccess;
  });
}
cudaError_t cudaDeviceGetPCIBusId(char* bus, int bytes, int number) {
  return call("cudaDeviceGetPCIBusId", [&] {
    std::snprintf(
        bus, static_cast<std::size_t>(bytes), "0000:%02x:00.0", number);
    return cudaSuccess;
  });
}
// Each device reaches every other.
cudaError_t cudaDeviceGetP2PAttribute(int* value,
                                      cudaDeviceP2PAttr attribute,
                                      int from,
                                      int to) {
  return call("cudaDeviceGetP2PAttribute", [&] {
    if (from == to) {
      return cudaErrorInvalidDevice;
    }
    *value = attribute == cudaDevP2PAttrPerformanceRank ? 0 : 1;
    return cudaSuccess;
  });
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  return call("cudaMemGetInfo", [&] {
    *total = cuda_emulator::device_bytes();
    *free = *total - cuda_emulator::mapped_bytes();
    return cudaSuccess;
  });
}

cudaError_t cudaMallocHost(void** first, std::size_t bytes) {
  return call("cudaMallocHost", [&] {
    *first = cuda_emulator::allocate_pinned(bytes);
    if (*first == nullptr) {
      return cudaErrorMemoryAllocation;
    }
    hold("pinned blocks", 1);
    return cudaSuccess;
  });
}
cudaError_t cudaFreeHost(void* first) {
  return call_to_give_back("cudaFreeHost", [&] {
    streams().synchronize_all();
    cuda_emulator::free_pinned(first);
    hold("pinned blocks", -1);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  return call("cudaStreamCreateWithFlags", [&] {
    *stream = streams().make_stream();
    hold("streams", 1);
    return cudaSuccess;
  });
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return call_to_give_back("cudaStreamDestroy", [&] {
    streams().destroy(stream);
    hold("streams", -1);
    return cudaSuccess;
  });
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return call("cudaStreamSynchronize", [&] {
    streams().synchronize(stream);
    return cudaSuccess;
  });
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return call("cudaStreamQuery", [&] {
    return streams().is_done(stream) ? cudaSuccess : cudaErrorNotReady;
  });
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream,
                                cudaEvent_t event,
                                unsigned) {
  return call("cudaStreamWaitEvent", [&] {
    streams().wait(stream, event);
    return cudaSuccess;
  });
}
cudaError_t cudaDeviceSynchronize() {
  return call("cudaDeviceSynchronize", [&] {
    streams().synchronize_all();
    return cudaSuccess;
  });
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream,
                               cudaHostFn_t function,
                               void* data) {
  return call("cudaLaunchHostFunc", [&] {
    streams().enqueue(stream, [=] { function(data); });
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return call("cudaEventCreateWithFlags", [&] {
    *event = streams().make_event((flags & cudaEventDisableTiming) == 0);
    hold("events", 1);
    return cudaSuccess;
  });
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return call_to_give_back("cudaEventDestroy", [&] {
    streams().destroy(event);
    hold("events", -1);
    return cudaSuccess;
  });
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return call("cudaEventRecord", [&] {
    streams().record(event, stream);
    return cudaSuccess;
  });
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return call("cudaEventSynchronize", [&] {
    streams().synchronize(event);
    return cudaSuccess;
  });
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  return call("cudaEventQuery", [&] {
    return streams().is_done(event) ? cudaSuccess : cudaErrorNotReady;
  });
}
cudaError_t cudaEventElapsedTime(float* milliseconds,
                                 cudaEvent_t from,
                                 cudaEvent_t to) {
  return call("cudaEventElapsedTime", [&] {
    if (!from->is_timed || !to->is_timed || from->recorded == 0 ||
        to->recorded == 0) {
      return cudaErrorInvalidResourceHandle;
    }
    if (from->reached < from->recorded || to->reached < to->recorded) {
      return cudaErrorNotReady;
    }
    *milliseconds = static_cast<float>((to->seconds - from->seconds) * 1e3);
    return cudaSuccess;
  });
}

cudaError_t cudaFuncSetAttribute(const void* kernel,
                                 cudaFuncAttribute attribute,
                                 int value) {
  return call("cudaFuncSetAttribute", [&] {
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
        static_cast<std::size_t>(value) > cuda_emulator::kMostSharedBytes) {
      return cudaErrorInvalidValue;
    }
    cuda_emulator::shared_limits()[kernel] = static_cast<std::size_t>(value);
    return cudaSuccess;
  });
}

// NOLINTEND(readability-identifier-naming)
