#include "dure/tensor/memory.h"

#include <cstring>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure {
namespace {

constexpr std::size_t kMib = std::size_t{1} << 20;

TEST(Memory, OfTheCpuCanBeWrittenUpToWhatWasMadeUsable) {
  const std::unique_ptr<Memory> memory = make_cpu_memory();
  Memory::Range range = memory->reserve(kMib, 64 * kMib);
  EXPECT_GE(range.bytes, kMib);
  EXPECT_EQ(range.usable, 0U);
  memory->make_usable(range, kMib);
  EXPECT_GE(range.usable, kMib);
  EXPECT_LE(range.usable, range.bytes);
  std::memset(range.first, 1, kMib);
  const std::size_t before = range.usable;
  memory->make_usable(range, kMib / 2);  // so much is usable already
  EXPECT_EQ(range.usable, before);
  memory->give_back(range);
}

TEST(MemoryDeathTest, OfTheCpuFaultsBeyondWhatWasMadeUsable) {
  const std::unique_ptr<Memory> memory = make_cpu_memory();
  const Memory::Range range = memory->reserve(kMib, kMib);
  EXPECT_DEATH(*range.first = std::byte{1}, "");
  memory->give_back(range);
}

TEST(Memory, OfTheCpuIsThatOfTheMachine) {
  EXPECT_EQ(make_cpu_memory()->limit().bytes, memory_limit().bytes);
  EXPECT_EQ(make_cpu_memory()->tier(), Tier::kDevice);
}

TEST(Memory, ThatIsSimulatedNeverEndsBeforeItsLimit) {
  const std::unique_ptr<Memory> memory = make_simulated_memory(0);
  const std::size_t most = memory->limit().bytes;
  const Memory::Range first = memory->reserve(1, most);
  const Memory::Range second = memory->reserve(1, most);
  EXPECT_EQ(first.usable, most);
  EXPECT_GE(second.first, first.last());
}

#ifndef DURE_WITH_CUDA
TEST(Memory, OfADeviceThatIsNotThereIsAnError) {
  EXPECT_THROW(const Stream stream(Device::kCuda), Error);
}
#endif

}  // namespace
}  // namespace dure
