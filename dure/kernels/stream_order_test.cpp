// The order of streams, checked at launch on every device.
#include "dure/tensor/stream_order.h"

#include <gmock/gmock.h>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/kernels/cuda_testing.h"
#include "dure/kernels/elementwise.h"
#include "dure/kernels/transfer.h"

namespace dure::kernels {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

class StreamOrderOf : public testing::TestWithParam<Device> {
 protected:
  StreamOrderOf() { launch(home, Upload{.y = x, .host = host_}); }

  OwnedTensor floats() {
    return arena.tensor({4}, Category::kWorkspace, DType::kF32);
  }

  std::shared_ptr<StreamOrder> order = std::make_shared<StreamOrder>();
  Stream home{GetParam(), {.threads = 1, .order = order}};
  Stream other{GetParam(), {.threads = 1, .order = order}};
  Arena arena{home};
  OwnedTensor x = floats();
  OwnedTensor y = floats();

 private:
  std::vector<std::byte> host_ = std::vector<std::byte>(16);
};

std::vector<Device> devices() {
  std::vector<Device> all = {Device::kCpu, Device::kSim};
  if (tests_cuda()) {
    all.push_back(Device::kCuda);
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Devices,
                         StreamOrderOf,
                         testing::ValuesIn(devices()),
                         [](const auto& one) {
                           return one.param == Device::kCpu   ? "Cpu"
                                  : one.param == Device::kSim ? "Sim"
                                                              : "Cuda";
                         });

TEST_P(StreamOrderOf, FindsAWaitThatIsLeftOut) {
  EXPECT_THAT([&] { launch(other, Copy{.y = y, .x = x}); },
              ThrowsMessage<Error>(AllOf(
                  HasSubstr("copy on stream 2 writes 16 bytes"),
                  HasSubstr("a new block on stream 1 took from the arena"))));
  other.wait(home.record());
  launch(other, Copy{.y = y, .x = x});
  EXPECT_THAT(
      [&] { launch(home, Upload{.y = x, .host = std::vector<std::byte>(16)}); },
      ThrowsMessage<Error>(
          AllOf(HasSubstr("upload on stream 1 writes 16 bytes"),
                HasSubstr("copy on stream 2 read before"))));
  home.wait(other.record());
  EXPECT_NO_THROW(launch(home, Copy{.y = x, .x = y}));
  home.synchronize();
  other.synchronize();
}

TEST_P(StreamOrderOf, FindsWhatTheHostReadsTooEarly) {
  other.wait(home.record());
  launch(other, Copy{.y = y, .x = x});
  EXPECT_THAT([&] { const OnHost host(home, y); },
              ThrowsMessage<Error>(HasSubstr("copy on stream 2 wrote before")));
  other.synchronize();
  EXPECT_NO_THROW(OnHost(home, y));
}

// On the emulated device the address sanitizer finds it, too, and ends the
// test.
TEST_P(StreamOrderOf, FindsABlockThatIsGivenBackTooEarly) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
  if (home.device() == Device::kCuda) {
    GTEST_SKIP() << "the address sanitizer would report it";
  }
#endif
#endif
  other.wait(home.record());
  launch(other, Copy{.y = y, .x = x});
  y = OwnedTensor();
  EXPECT_THAT([&] { y = floats(); },
              ThrowsMessage<Error>(HasSubstr("copy on stream 2 wrote before")));
  home.wait(other.record());
  EXPECT_NO_THROW(y = floats());
}

}  // namespace
}  // namespace dure::kernels
