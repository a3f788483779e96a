#include "dure/base/core_lending.h"

#include <atomic>
#include <chrono>
#include <latch>
#include <sched.h>
#include <thread>

#include <gtest/gtest.h>

namespace dure {
namespace {

TEST(CoreLending, CountsTheTimeOfWhoComputesAlone) {
  std::latch end(1);
  std::jthread waits([&] { end.wait(); });
  std::atomic<bool> stop = false;
  std::jthread computes([&] {
    while (!stop) {
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // both are there
  const std::int64_t waited = core_time(waits.native_handle());
  const std::int64_t computed = core_time(computes.native_handle());
  while (core_time(computes.native_handle()) == computed) {
    std::this_thread::yield();
  }
  EXPECT_GE(waited, 0);
  EXPECT_EQ(core_time(waits.native_handle()), waited);
  stop = true;
  end.count_down();
}

// It computes on another core, where it would stay by itself.
TEST(CoreLending, BringsAThreadToTheCallersCore) {
  cpu_set_t all;
  ASSERT_EQ(::sched_getaffinity(0, sizeof all, &all), 0);
  if (CPU_COUNT(&all) < 2) {
    GTEST_SKIP() << "wants two cores";
  }
  std::atomic<bool> stop = false;
  std::atomic<int> core = -1;
  std::jthread other([&] {
    while (!stop) {
      core = ::sched_getcpu();
    }
  });
  int came = 0;
  int tries = 0;
  for (int i = 0; i < 2000 && tries < 50; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const int here = ::sched_getcpu();
    if (core == here || core < 0) {
      continue;
    }
    ++tries;
    bring_to_this_core(other.native_handle());
    core = -1;
    while (core < 0) {  // it writes again from where it is now
      std::this_thread::yield();
    }
    came += core == here ? 1 : 0;
  }
  stop = true;
  EXPECT_GT(2 * came, tries);
}

TEST(CoreLending, LeavesAThreadTheCoresItMayUse) {
  std::latch end(1);
  std::jthread other([&] { end.wait(); });
  const auto allowed = [&] {
    cpu_set_t set;
    CPU_ZERO(&set);
    ::pthread_getaffinity_np(other.native_handle(), sizeof set, &set);
    return CPU_COUNT(&set);
  };
  const int before = allowed();
  for (int i = 0; i < 20; ++i) {
    bring_to_this_core(other.native_handle());
    EXPECT_EQ(allowed(), before);
  }
  end.count_down();
}

}  // namespace
}  // namespace dure
