// Launches on a GPU, as a trace and a profiler see them.
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#define NVTX_NO_IMPL
#include <nvtx3/nvToolsExt.h>

#include "dure/kernels/elementwise.h"
#include "dure/kernels/testing.h"

namespace dure::kernels {
namespace {

// The profiler of this program: it notes the ranges that begin and end.
std::vector<std::string>& ranges() {
  static auto* const all = new std::vector<std::string>;
  return *all;
}

int note_begin(const char* name) {
  ranges().emplace_back(name);
  return 0;
}

int note_end() {
  ranges().emplace_back("end");
  return 0;
}

int attach(NvtxGetExportTableFunc_t export_table) {
  const auto* const callbacks = static_cast<const NvtxExportTableCallbacks*>(
      export_table(NVTX_ETID_CALLBACKS));
  NvtxFunctionTable functions = nullptr;
  unsigned size = 0;
  callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE, &functions, &size);
  *functions[NVTX_CBID_CORE_RangePushA] =
      reinterpret_cast<NvtxFunctionPointer>(note_begin);
  *functions[NVTX_CBID_CORE_RangePop] =
      reinterpret_cast<NvtxFunctionPointer>(note_end);
  return 1;
}

class CudaTrace : public testing::Test {
 protected:
  void SetUp() override {
    if (!tests_cuda()) {
      GTEST_SKIP() << "DURE_TEST_DEVICE is not cuda";
    }
    y_ =
        tested_device().arena.tensor({1000}, Category::kWorkspace, DType::kF32);
  }

  void fill() { launch(stream_, Fill{.y = y_, .value = 1}); }
  void copy() { launch(stream_, Copy{.y = y_, .x = y_}); }

  Stream& stream_ = tested_device().stream;
  OwnedTensor y_;
};

TEST_F(CudaTrace, HasTheTimesOfTheDeviceWhenTheHostHasWaited) {
  Trace trace;
  const double before = monotonic_seconds();
  stream_.set_trace(&trace);
  fill();
  copy();
  const Event two = stream_.record();
  fill();
  EXPECT_TRUE(trace.events().empty());
  stream_.synchronize(two);
  ASSERT_EQ(trace.events().size(), 2U);
  EXPECT_STREQ(trace.events()[1].name, Copy::kName);
  EXPECT_EQ(trace.events()[1].bytes, 8000);
  stream_.set_trace(nullptr);
  const double after = monotonic_seconds();
  ASSERT_EQ(trace.events().size(), 3U);
  double last_end = before;
  for (const TraceEvent& event : trace.events()) {
    EXPECT_GT(event.seconds, 0);
    EXPECT_GE(event.start_seconds, last_end - 1e-9);
    last_end = event.start_seconds + event.seconds;
  }
  EXPECT_LE(last_end, after);
}

// The emulated device's clock gains or loses a thousandth, a real one's less.
TEST_F(CudaTrace, StaysOnTheMachinesClock) {
  Trace trace;
  stream_.set_trace(&trace);
  for (int i = 0; i < 3; ++i) {
    const double before = monotonic_seconds();
    fill();
    stream_.synchronize();
    const double after = monotonic_seconds();
    ASSERT_EQ(trace.events().size(), i + 1U);
    const TraceEvent& event = trace.events().back();
    EXPECT_GE(event.start_seconds, before);
    EXPECT_LE(event.start_seconds + event.seconds, after);
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
  stream_.set_trace(nullptr);
}

TEST_F(CudaTrace, GivesAProfilerARangeOfEachLaunch) {
  ranges().clear();
  fill();
  copy();
  const std::vector<std::string> wanted = {
      Fill::kName, "end", Copy::kName, "end"};
  EXPECT_EQ(ranges(), wanted);
  stream_.synchronize();
}

}  // namespace
}  // namespace dure::kernels

extern "C" NvtxInitializeInjectionNvtxFunc_t InitializeInjectionNvtx2_fnptr;
NvtxInitializeInjectionNvtxFunc_t InitializeInjectionNvtx2_fnptr =
    dure::kernels::attach;
