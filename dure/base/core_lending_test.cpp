#include "dure/base/core_lending.h"

#include <array>
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
  // It takes a while on a busy machine until one waits and the other computes.
  bool stood_still = false;
  for (int tries = 0; tries < 1000 && !stood_still; ++tries) {
    const std::int64_t waited = core_time(waits.native_handle());
    const std::int64_t computed = core_time(computes.native_handle());
    EXPECT_GE(waited, 0);
    while (core_time(computes.native_handle()) == computed) {
      std::this_thread::yield();
    }
    stood_still = core_time(waits.native_handle()) == waited;
  }
  EXPECT_TRUE(stood_still);
  stop = true;
  end.count_down();
}

// The system decides which core a thread waits for, and on a busy machine the
// thread may be elsewhere again before it is seen, so the test only expects
// that it comes now and then. By itself it would stay on the core that it
// computes on.
TEST(CoreLending, BringsAThreadToTheCallersCore) {
  cpu_set_t all;
  ASSERT_EQ(::sched_getaffinity(0, sizeof all, &all), 0);
  if (CPU_COUNT(&all) < 2) {
    GTEST_SKIP() << "wants two cores";
  }
  std::array<cpu_set_t, 2> one{};  // sets of the first and the second core
  for (int core = 0, found = 0; found < 2; ++core) {
    if (CPU_ISSET(core, &all)) {
      CPU_SET(core, &one.at(found++));
    }
  }
  ASSERT_EQ(::sched_setaffinity(0, sizeof one[0], &one[0]), 0);
  std::atomic<bool> stop = false;
  std::atomic<int> core = -1;
  std::jthread other([&] {
    while (!stop) {
      core = ::sched_getcpu();
    }
  });
  const auto place_other = [&](const cpu_set_t& cores) {
    return ::pthread_setaffinity_np(
        other.native_handle(), sizeof cores, &cores);
  };
  bool came = false;
  for (int tries = 0; tries < 500 && !came; ++tries) {
    if (place_other(one[1]) != 0 || place_other(all) != 0) {
      break;
    }
    bring_to_this_core(other.native_handle());
    core = -1;
    while (core < 0) {  // it writes again from where it is now
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    came = CPU_ISSET(core, &one[0]);
  }
  stop = true;
  ::sched_setaffinity(0, sizeof all, &all);
  EXPECT_TRUE(came);
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
