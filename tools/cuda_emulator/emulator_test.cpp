// The emulated device itself: what it must do as a GPU does, and what it must
// find. It is compiled as .cu files are.
#include "tools/cuda_emulator/emulator.h"

#include <algorithm>
#include <functional>
#include <gmock/gmock.h>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tools/cuda_emulator/launch.h"

namespace cuda_emulator {
namespace {

using testing::HasSubstr;

constexpr int kSeeds = 10;

class Stream {
 public:
  Stream() { cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { cudaStreamDestroy(stream_); }

  cudaStream_t get() const { return stream_; }
  cudaError_t synchronize() const { return cudaStreamSynchronize(stream_); }

 private:
  cudaStream_t stream_ = nullptr;
};

// Ints in device memory.
class DeviceInts {
 public:
  explicit DeviceInts(std::size_t count) : count_(count) {
    void* first = nullptr;
    cudaMalloc(&first, count * sizeof(int));
    first_ = static_cast<int*>(first);
  }
  DeviceInts(const DeviceInts&) = delete;
  DeviceInts& operator=(const DeviceInts&) = delete;
  ~DeviceInts() { cudaFree(first_); }

  int* get() const { return first_; }
  // After everything on the stream.
  std::vector<int> read(const Stream& stream) const {
    std::vector<int> host(count_);
    cudaMemcpyAsync(host.data(),
                    first_,
                    count_ * sizeof(int),
                    cudaMemcpyDeviceToHost,
                    stream.get());
    return host;
  }

 private:
  std::size_t count_;
  int* first_ = nullptr;
};

struct Shape {
  dim3 grid = 1;
  dim3 block = 1;
  std::size_t shared_bytes = 0;
};

cudaError_t launch_on(const Stream& stream,
                      const Shape& shape,
                      std::function<void()> thread,
                      const void* address = nullptr) {
  return launch({.kernel = "a kernel",
                 .address = address,
                 .grid = shape.grid,
                 .block = shape.block,
                 .shared_bytes = shape.shared_bytes,
                 .stream = stream.get()},
                std::move(thread));
}

int lane() {
  return static_cast<int>(threadIdx.x);
}

// The number of seeds under which body() returns false.
int failures(const std::function<bool()>& body) {
  int count = 0;
  for (int seed = 0; seed < kSeeds; ++seed) {
    set_seed(static_cast<std::uint64_t>(seed));
    count += body() ? 0 : 1;
  }
  return count;
}

// Runs one block of the kernel, and returns the report of its fault.
std::string fault_of(unsigned threads, std::function<void()> thread) {
  const Stream stream;
  launch_on(stream, {.block = threads}, std::move(thread));
  EXPECT_EQ(stream.synchronize(), cudaErrorLaunchFailure);
  const std::string fault = last_fault();
  forget_fault();
  return fault;
}

// The values that the lanes of a warp get.
std::vector<int> of_a_warp(const std::function<int()>& value) {
  const Stream stream;
  const DeviceInts result(32);
  int* const to = result.get();
  launch_on(stream, {.block = 32}, [=] { to[lane()] = value(); });
  return result.read(stream);
}

std::vector<int> lanes(const std::function<int(int)>& value) {
  std::vector<int> all;
  for (int i = 0; i < 32; ++i) {
    all.push_back(value(i));
  }
  return all;
}

enum class Barrier : std::uint8_t { kThere, kMissing };

bool reverses_a_block(Barrier barrier) {
  constexpr int kThreads = 96;
  const Stream stream;
  const DeviceInts result(kThreads);
  int* const to = result.get();
  launch_on(
      stream, {.block = kThreads, .shared_bytes = kThreads * sizeof(int)}, [=] {
        auto* const shared = static_cast<int*>(shared_memory());
        shared[lane()] = lane();
        if (barrier == Barrier::kThere) {
          __syncthreads();
        }
        to[lane()] = shared[kThreads - 1 - lane()];
      });
  const std::vector<int> got = result.read(stream);
  for (int i = 0; i < kThreads; ++i) {
    if (got[static_cast<std::size_t>(i)] != kThreads - 1 - i) {
      return false;
    }
  }
  return true;
}

TEST(EmulatedKernel, WaitsAtBarriers) {
  EXPECT_EQ(failures([] { return reverses_a_block(Barrier::kThere); }), 0);
}

TEST(EmulatedKernel, IsWrongWithoutABarrier) {
  EXPECT_EQ(failures([] { return reverses_a_block(Barrier::kMissing); }),
            kSeeds);
}

TEST(EmulatedKernel, ReportsABarrierThatSomeThreadsNeverReach) {
  EXPECT_THAT(fault_of(64,
                       [] {
                         if (lane() < 32) {
                           __syncthreads();
                         } else {
                           __syncwarp(lane() == 32 ? ~0U : 2U);
                         }
                       }),
              HasSubstr("a kernel, block (0, 0, 0), thread ("));
}

TEST(EmulatedWarp, Shuffles) {
  EXPECT_EQ(of_a_warp([] { return __shfl_sync(~0U, lane() * 3, 5); }),
            lanes([](int) { return 15; }));
  EXPECT_EQ(of_a_warp([] { return __shfl_xor_sync(~0U, lane(), 9); }),
            lanes([](int i) { return i ^ 9; }));
  EXPECT_EQ(of_a_warp([] { return __shfl_down_sync(~0U, lane(), 4U); }),
            lanes([](int i) { return i + 4 < 32 ? i + 4 : i; }));
  EXPECT_EQ(of_a_warp([] { return __shfl_up_sync(~0U, lane(), 4U); }),
            lanes([](int i) { return i >= 4 ? i - 4 : i; }));
  EXPECT_EQ(of_a_warp([] { return __shfl_sync(~0U, lane(), 1, 8); }),
            lanes([](int i) { return i / 8 * 8 + 1; }));
}

TEST(EmulatedWarp, VotesAndReduces) {
  EXPECT_EQ(of_a_warp([] {
              return static_cast<int>(__ballot_sync(~0U, lane() < 3 ? 1 : 0));
            }),
            lanes([](int) { return 7; }));
  EXPECT_EQ(of_a_warp([] { return __any_sync(~0U, lane() == 31 ? 1 : 0); }),
            lanes([](int) { return 1; }));
  EXPECT_EQ(of_a_warp([] { return __all_sync(~0U, lane() == 31 ? 1 : 0); }),
            lanes([](int) { return 0; }));
  EXPECT_EQ(of_a_warp([] { return __reduce_add_sync(~0U, lane()); }),
            lanes([](int) { return 496; }));
  EXPECT_EQ(of_a_warp([] { return __popc(__match_any_sync(~0U, lane() % 4)); }),
            lanes([](int) { return 8; }));
}

TEST(EmulatedWarp, ReportsADivergedShuffle) {
  EXPECT_THAT(fault_of(32,
                       [] {
                         if (lane() < 16) {
                           __shfl_sync(~0U, lane(), 0);
                         } else {
                           __syncwarp();
                         }
                       }),
              HasSubstr("of another lane in a kernel"));
}

TEST(EmulatedWarp, ReportsAMaskWithoutTheCaller) {
  EXPECT_THAT(fault_of(32, [] { __shfl_sync(0xFFFFU, lane(), 0); }),
              HasSubstr("got a mask without its own lane"));
}

TEST(EmulatedWarp, ReportsAReadOfALaneThatTakesNoPart) {
  EXPECT_THAT(fault_of(32,
                       [] {
                         if (lane() < 16) {
                           __shfl_sync(0xFFFFU, lane(), 20);
                         }
                       }),
              HasSubstr("reads lane 20, which takes no part"));
}

TEST(EmulatedKernel, AddsAtomically) {
  const Stream stream;
  const DeviceInts numbers(3);
  int* const to = numbers.get();
  cudaMemsetAsync(to, 0, 3 * sizeof(int), stream.get());
  launch_on(stream, {.grid = 5, .block = 200}, [=] {
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    atomicAdd(to, 1);
    atomicMax(to + 1, i);
    atomicCAS(to + 2, 0, 7);
  });
  EXPECT_EQ(numbers.read(stream), std::vector<int>({1000, 999, 7}));
}

TEST(EmulatedLaunch, RefusesWhatNoDeviceTakes) {
  const Stream stream;
  const auto launched = [&](const Shape& shape) {
    return launch_on(stream, shape, [] {});
  };
  EXPECT_EQ(launched({.block = 1024}), cudaSuccess);
  EXPECT_EQ(launched({.block = 1025}), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launched({.block = dim3(1, 1, 65)}), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launched({.grid = 0}), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launched({.grid = dim3(1, 65536)}), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launched({.shared_bytes = 48 << 10}), cudaSuccess);
  EXPECT_EQ(launched({.shared_bytes = (48 << 10) + 1}),
            cudaErrorInvalidConfiguration);
}

TEST(EmulatedLaunch, TakesMoreSharedMemoryIfAsked) {
  const Stream stream;
  const int kernel = 0;  // its address stands for the kernel's
  constexpr int kBytes = 100 << 10;
  const auto set = [&](int bytes) {
    return cudaFuncSetAttribute(
        &kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  };
  EXPECT_EQ(set(228 << 10), cudaErrorInvalidValue);
  EXPECT_EQ(set(kBytes), cudaSuccess);
  EXPECT_EQ(launch_on(
                stream, {.shared_bytes = kBytes}, [] {}, &kernel),
            cudaSuccess);
}

TEST(EmulatedKernel, ReportsAWriteOutsideOfItsSharedMemory) {
  for (const int at : {-1, 16}) {
    const Stream stream;
    launch_on(stream, {.grid = 2, .block = 32, .shared_bytes = 16}, [at] {
      if (threadIdx.x == 7) {
        static_cast<char*>(shared_memory())[at] = 1;
      }
    });
    EXPECT_EQ(stream.synchronize(), cudaErrorLaunchFailure);
    EXPECT_THAT(last_fault(),
                HasSubstr("a write outside of its shared memory, 16 bytes"));
    forget_fault();
  }
}

TEST(EmulatedMemory, IsGarbageWhenFreshThatDependsOnTheSeed) {
  std::set<int> in_shared;
  std::set<int> on_device;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    set_seed(seed);
    const Stream stream;
    const DeviceInts result(2);
    int* const to = result.get();
    launch_on(stream, {.shared_bytes = sizeof(int)}, [=] {
      to[1] = *static_cast<int*>(shared_memory());
    });
    const std::vector<int> got = result.read(stream);
    on_device.insert(got[0]);
    in_shared.insert(got[1]);
  }
  EXPECT_GT(in_shared.size(), 2U);
  EXPECT_GT(on_device.size(), 2U);
}

enum class Order : std::uint8_t { kByEvent, kNone };

// One stream writes, another one reads.
bool reads_what_was_written(Order order) {
  const Stream writer;
  const Stream reader;
  const DeviceInts from(1);
  const DeviceInts to(1);
  cudaMemsetAsync(from.get(), 0, sizeof(int), writer.get());
  writer.synchronize();
  launch_on(writer, {}, [at = from.get()] { *at = 1; });
  cudaEvent_t event = nullptr;
  cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
  cudaEventRecord(event, writer.get());
  if (order == Order::kByEvent) {
    cudaStreamWaitEvent(reader.get(), event, 0);
  }
  launch_on(reader, {}, [at = to.get(), in = from.get()] { *at = *in; });
  const bool is_right = to.read(reader) == std::vector<int>({1});
  cudaEventDestroy(event);
  return is_right;
}

TEST(EmulatedStream, RunsInTheOrderOfEvents) {
  EXPECT_EQ(failures([] { return reads_what_was_written(Order::kByEvent); }),
            0);
}

TEST(EmulatedStream, RunsInAnyOrderWithoutAnEvent) {
  const int wrong =
      failures([] { return reads_what_was_written(Order::kNone); });
  EXPECT_GT(wrong, 0);
}

TEST(EmulatedCopy, ReadsPageableMemoryAtOnceAndPinnedMemoryLate) {
  const Stream stream;
  const DeviceInts device(1);
  const auto copied_after = [&](int* host) {
    *host = 1;
    cudaMemcpyAsync(
        device.get(), host, sizeof *host, cudaMemcpyHostToDevice, stream.get());
    *host = 2;
    return device.read(stream)[0];
  };
  int pageable = 0;
  EXPECT_EQ(copied_after(&pageable), 1);
  void* pinned = nullptr;
  ASSERT_EQ(cudaMallocHost(&pinned, sizeof(int)), cudaSuccess);
  EXPECT_EQ(copied_after(static_cast<int*>(pinned)), 2);
  EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
}

TEST(EmulatedCopy, GivesPinnedMemoryItsValuesOnlyWhenWaitedFor) {
  void* memory = nullptr;
  ASSERT_EQ(cudaMallocHost(&memory, sizeof(int)), cudaSuccess);
  int* const pinned = static_cast<int*>(memory);
  const Stream stream;
  const DeviceInts device(1);
  launch_on(stream, {}, [at = device.get()] { *at = 5; });
  cudaMemcpyAsync(
      pinned, device.get(), sizeof(int), cudaMemcpyDeviceToHost, stream.get());
  EXPECT_NE(*pinned, 5);
  stream.synchronize();
  EXPECT_EQ(*pinned, 5);
  cudaFreeHost(memory);
}

TEST(EmulatedCopy, RefusesTheWrongKind) {
  const Stream stream;
  const DeviceInts device(1);
  int host = 0;
  EXPECT_EQ(cudaMemcpyAsync(device.get(),
                            &host,
                            sizeof host,
                            cudaMemcpyDeviceToHost,
                            stream.get()),
            cudaErrorInvalidValue);
}

TEST(EmulatedMemoryDeathTest, CannotBeReadByTheHost) {
  const DeviceInts device(1);
  EXPECT_DEATH(EXPECT_EQ(*device.get(), 0),
               "access to device memory at .* by the host");
}

// Calls functions of the runtime, each of which is counted. Returns whether all
// of them succeeded.
bool calls_that_all_succeed() {
  bool good = true;
  const auto expect = [&](cudaError_t error) {
    good = good && error == cudaSuccess;
  };
  int count = 0;
  cudaStream_t stream = nullptr;
  cudaEvent_t event = nullptr;
  void* device = nullptr;
  expect(cudaGetDeviceCount(&count));
  expect(cudaSetDevice(0));
  expect(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  expect(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  expect(cudaMalloc(&device, 64));
  if (good) {
    expect(cudaMemsetAsync(device, 0, 64, stream));
    expect(cudaEventRecord(event, stream));
    expect(cudaStreamWaitEvent(stream, event, 0));
    expect(cudaEventSynchronize(event));
    expect(cudaStreamSynchronize(stream));
  }
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (device != nullptr && cudaFree(device) == cudaSuccess) {
      device = nullptr;
    }
    if (event != nullptr && cudaEventDestroy(event) == cudaSuccess) {
      event = nullptr;
    }
    if (stream != nullptr && cudaStreamDestroy(stream) == cudaSuccess) {
      stream = nullptr;
    }
  }
  return good;
}

TEST(EmulatedFailure, ComesFromTheCallWithTheNumber) {
  const std::vector<std::string> names = {"cudaGetDeviceCount",
                                          "cudaSetDevice",
                                          "cudaStreamCreateWithFlags",
                                          "cudaEventCreateWithFlags",
                                          "cudaMalloc",
                                          "cudaMemsetAsync",
                                          "cudaEventRecord",
                                          "cudaStreamWaitEvent",
                                          "cudaEventSynchronize",
                                          "cudaStreamSynchronize"};
  EXPECT_TRUE(calls_that_all_succeed());
  for (std::size_t i = 0; i < names.size(); ++i) {
    fail_call(calls() + static_cast<std::int64_t>(i));
    EXPECT_FALSE(calls_that_all_succeed()) << names[i];
    EXPECT_EQ(failed_function(), names[i]);
    EXPECT_EQ(cudaGetLastError(), cudaErrorUnknown);
  }
  fail_call(-1);
  EXPECT_TRUE(calls_that_all_succeed());
}

// A call that gives something back has done so, and what is held is counted.
TEST(EmulatedFailure, OfGivingBackLosesNothing) {
  const auto before = held();
  cudaStream_t stream = nullptr;
  void* memory = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&stream, 0), cudaSuccess);
  ASSERT_EQ(cudaMalloc(&memory, 100), cudaSuccess);
  EXPECT_EQ(held()["streams"], std::map(before)["streams"] + 1);
  EXPECT_NE(held(), before);
  record_calls();
  fail_call(calls());
  EXPECT_EQ(cudaStreamDestroy(stream), cudaErrorUnknown);
  fail_call(calls());
  EXPECT_EQ(cudaFree(memory), cudaErrorUnknown);
  fail_call(-1);
  EXPECT_EQ(held(), before);
  EXPECT_EQ(recorded_calls(),
            (std::vector<std::string>{"cudaStreamDestroy", "cudaFree"}));
  EXPECT_EQ(cudaGetLastError(), cudaErrorUnknown);
}

TEST(EmulatedFailure, OfAKernelIsThatOfEveryLaterCall) {
  const Stream stream;
  launch_on(stream, {}, [] { fault("a wrong number"); });
  EXPECT_EQ(stream.synchronize(), cudaErrorLaunchFailure);
  EXPECT_THAT(cudaGetErrorString(cudaErrorLaunchFailure),
              HasSubstr("a wrong number in a kernel, block (0, 0, 0)"));
  int count = 0;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorLaunchFailure);
  forget_fault();
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
}

}  // namespace
}  // namespace cuda_emulator
