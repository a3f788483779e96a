// Two streams of a GPU, their events, and what the host reads: with the values
// that come of it.
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "dure/kernels/cuda_testing.h"
#include "dure/kernels/elementwise.h"
#include "dure/kernels/transfer.h"
#ifdef DURE_CUDA_EMULATED
#include "tools/cuda_emulator/emulator.h"
#endif

namespace dure::kernels {
namespace {

constexpr std::int64_t kCount = 1000;

std::vector<float> numbers(float first) {
  std::vector<float> all(kCount);
  std::iota(all.begin(), all.end(), first);
  return all;
}

class CudaStreams : public testing::Test {
 protected:
  void SetUp() override {
    if (!tests_cuda()) {
      GTEST_SKIP() << "DURE_TEST_DEVICE is not cuda";
    }
    other_ = std::make_unique<Stream>(Device::kCuda);
  }

  Stream& home() { return tested_device().stream; }
  Stream& other() { return *other_; }

  static OwnedTensor floats() {
    return tested_device().arena.tensor(
        {kCount}, Category::kWorkspace, DType::kF32);
  }
  static OwnedTensor uploaded(const std::vector<float>& host) {
    OwnedTensor x = floats();
    launch(tested_device().stream,
           Upload{.y = x, .host = std::as_bytes(std::span(host))});
    return x;
  }
  static void download(Stream& stream,
                       std::vector<float>& host,
                       const ConstTensor& x) {
    launch(stream,
           Download{.host = std::as_writable_bytes(std::span(host)), .x = x});
  }

  // The other stream copies from a block that is given back meanwhile, and
  // written again: its copy. `before` is called before it is given back.
  std::vector<float> copied_while_given_back(
      const std::vector<float>& host,
      const std::function<void()>& before = [] {}) {
    const OwnedTensor y = floats();
    OwnedTensor x = uploaded(host);
    other().wait(home().record());
    launch(other(), Copy{.y = y, .x = x});
    x.used_until(other().record());
    before();
    x = OwnedTensor();
    const OwnedTensor again = uploaded(std::vector<float>(kCount, -1));
    std::vector<float> result(kCount);
    download(other(), result, y);
    other().synchronize();
    home().synchronize();
    return result;
  }

 private:
  std::unique_ptr<Stream> other_;
};

// A number goes to and fro between the streams, and both add to it.
TEST_F(CudaStreams, WaitForOneAnothersWork) {
  const OwnedTensor sum = uploaded(numbers(0));
  const OwnedTensor one = uploaded(std::vector<float>(kCount, 1));
  Stream* streams[] = {&home(), &other()};
  for (int i = 0; i < 10; ++i) {
    Stream& stream = *streams[i % 2];
    stream.wait(streams[(i + 1) % 2]->record());
    launch(stream, Add{.y = sum, .a = sum, .b = one});
  }
  home().wait(other().record());
  std::vector<float> result(kCount);
  download(home(), result, sum);
  home().synchronize();
  EXPECT_EQ(result, numbers(10));
}

// An event is of what was launched before it was recorded: what the pool hands
// out again is another point.
TEST_F(CudaStreams, UseAnEventOfThePoolAgain) {
  const OwnedTensor sum = uploaded(numbers(0));
  const OwnedTensor one = uploaded(std::vector<float>(kCount, 1));
  home().synchronize(home().record());
  for (int i = 0; i < 5; ++i) {
    launch(home(), Add{.y = sum, .a = sum, .b = one});
  }
  other().wait(home().record());
  std::vector<float> result(kCount);
  download(other(), result, sum);
  other().synchronize();
  EXPECT_EQ(result, numbers(5));
  home().synchronize();
}

// The second download is not there yet at the event, and must not be lost.
TEST_F(CudaStreams, GiveTheHostWhatIsBeforeAnEvent) {
  const OwnedTensor x = uploaded(numbers(1));
  const OwnedTensor y = uploaded(numbers(2));
  std::vector<float> first(kCount);
  std::vector<float> second(kCount);
  download(home(), first, x);
  const Event event = home().record();
  download(home(), second, y);
  home().synchronize(event);
  EXPECT_EQ(first, numbers(1));
  home().synchronize();
  EXPECT_EQ(second, numbers(2));
}

// An upload has taken the host's bytes, and each has a block of its own.
TEST_F(CudaStreams, TakeTheHostsBytesAtOnce) {
  std::vector<OwnedTensor> all;
  std::vector<float> host;
  for (int i = 0; i < 4; ++i) {
    host = numbers(static_cast<float>(i));
    all.push_back(uploaded(host));
    host.assign(kCount, -1);
  }
  for (int i = 0; i < 4; ++i) {
    std::vector<float> result(kCount);
    download(home(), result, all[i]);
    home().synchronize();
    EXPECT_EQ(result, numbers(static_cast<float>(i)));
  }
}

TEST_F(CudaStreams, LetTheHostReadATensor) {
  const OwnedTensor x = uploaded(numbers(3));
  const OnHost host(home(), x);
  const auto* const first = host.tensor().data<float>();
  EXPECT_EQ(std::vector<float>(first, first + kCount), numbers(3));
}

// A block that the other stream still reads is written again.
TEST_F(CudaStreams, GiveABlockBackWhenItsLastUseIsOver) {
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(copied_while_given_back(numbers(static_cast<float>(i))),
              numbers(static_cast<float>(i)));
  }
}

#ifdef DURE_CUDA_EMULATED
TEST_F(CudaStreams, LetTheHostWaitWhereAStreamCannot) {
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(copied_while_given_back(
                  numbers(static_cast<float>(i)),
                  [] { cuda_emulator::fail_call(cuda_emulator::calls()); }),
              numbers(static_cast<float>(i)));
    EXPECT_EQ(cuda_emulator::failed_function(), "cudaStreamWaitEvent");
  }
  cuda_emulator::fail_call(-1);
}
#endif

}  // namespace
}  // namespace dure::kernels
