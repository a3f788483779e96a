// Every call to CUDA that two streams and an arena make fails once, on the
// emulated device. tests/cuda_failures_test.cpp does this to a training run.
#include <cstdint>
#include <gmock/gmock.h>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/kernels/cuda_testing.h"
#include "dure/kernels/elementwise.h"
#include "dure/kernels/transfer.h"
#include "tools/cuda_emulator/emulator.h"

namespace dure::kernels {
namespace {

using testing::HasSubstr;

// They only give something back, in a destructor, or wait before they do.
const std::set<std::string> kIgnored = {"cudaEventDestroy",
                                        "cudaFreeHost",
                                        "cudaStreamDestroy",
                                        "cudaStreamSynchronize",
                                        "cuMemAddressFree",
                                        "cuMemUnmap"};

// Two streams hand a tensor to one another, and the host gets it.
std::vector<float> run() {
  Stream home(Device::kCuda);
  Stream other(Device::kCuda);
  Arena arena(home);
  const std::vector<float> host(1000, 2);
  std::vector<float> result(host.size());
  for (int i = 0; i < 2; ++i) {
    const OwnedTensor x =
        arena.tensor({std::ssize(host)}, Category::kWorkspace, DType::kF32);
    launch(home, Upload{.y = x, .host = std::as_bytes(std::span(host))});
    other.wait(home.record());
    launch(other, Add{.y = x, .a = x, .b = x});
    home.wait(other.record());
    const Event launched = home.record();
    home.synchronize(launched);
    launch(home,
           Download{.host = std::as_writable_bytes(std::span(result)), .x = x});
    home.synchronize();
  }
  return result;
}

TEST(CudaFailures, NameTheCallAndLeaveNothingBehind) {
  if (!tests_cuda()) {
    GTEST_SKIP() << "DURE_TEST_DEVICE is not cuda";
  }
  const std::vector<float> wanted(1000, 4);
  EXPECT_EQ(run(), wanted);
  const auto before = cuda_emulator::held();
  cuda_emulator::record_calls();
  run();
  const std::vector<std::string> names = cuda_emulator::recorded_calls();
  int told = 0;
  for (const std::string& name : names) {
    const auto number = &name - names.data();
    cuda_emulator::fail_call(cuda_emulator::calls() + number);
    std::optional<std::string> error;
    try {
      EXPECT_EQ(run(), wanted);
    } catch (const Error& caught) {
      error = caught.what();
    }
    cuda_emulator::fail_call(-1);
    EXPECT_EQ(cuda_emulator::failed_function(), name);
    if (error) {
      EXPECT_THAT(*error, HasSubstr(name + " failed"));
      ++told;
    } else {
      EXPECT_TRUE(kIgnored.contains(name)) << name << ", call " << number;
    }
    EXPECT_EQ(cuda_emulator::held(), before) << name << ", call " << number;
    EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess) << name;
  }
  EXPECT_GT(told, std::ssize(names) / 2);
  EXPECT_EQ(run(), wanted);
}

}  // namespace
}  // namespace dure::kernels
