#include "dure/base/interrupt.h"

#include <chrono>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

namespace dure {
namespace {

bool stops_within_ten_seconds(const std::stop_token& token) {
  for (int i = 0; i < 1000 && !token.stop_requested(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return token.stop_requested();
}

TEST(InterruptWatch, TurnsTheFirstSignalIntoARequest) {
  for (int signal : {SIGINT, SIGTERM}) {
    const InterruptWatch watch;
    EXPECT_FALSE(watch.token().stop_requested());
    ::kill(::getpid(), signal);
    EXPECT_TRUE(stops_within_ten_seconds(watch.token()));
  }
}

void be_interrupted_twice() {
  const InterruptWatch watch;
  for (int i = 0; i < 2; ++i) {
    ::kill(::getpid(), SIGINT);
    stops_within_ten_seconds(watch.token());
  }
  std::this_thread::sleep_for(std::chrono::seconds(10));
}

TEST(InterruptWatchDeathTest, EndsTheProcessAtTheSecondSignal) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(be_interrupted_twice(), testing::KilledBySignal(SIGINT), "");
}

TEST(InterruptWatch, LeavesTheSignalMaskAsItWas) {
  sigset_t before{};
  sigset_t after{};
  ::pthread_sigmask(SIG_BLOCK, nullptr, &before);
  { const InterruptWatch watch; }
  ::pthread_sigmask(SIG_BLOCK, nullptr, &after);
  for (int signal : {SIGINT, SIGTERM}) {
    EXPECT_EQ(::sigismember(&before, signal), ::sigismember(&after, signal));
  }
}

}  // namespace
}  // namespace dure
