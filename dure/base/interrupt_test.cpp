#include "dure/base/interrupt.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/temporary.h"

namespace dure {
namespace {

constexpr auto kMoment = std::chrono::milliseconds(200);

bool stops_within_ten_seconds(const StopRequest& request) {
  for (int i = 0; i < 1000 && !request.stop_requested(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return request.stop_requested();
}

TEST(InterruptWatch, TurnsTheFirstSignalIntoARequest) {
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    const InterruptWatch watch;
    watch.request().answer("stopping soon");
    EXPECT_FALSE(watch.request().stop_requested());
    testing::internal::CaptureStderr();
    ::kill(::getpid(), signal);
    EXPECT_TRUE(stops_within_ten_seconds(watch.request()));
    std::this_thread::sleep_for(kMoment);  // printed after the request
    EXPECT_NE(testing::internal::GetCapturedStderr().find("stopping soon"),
              std::string::npos);
  }
}

TEST(InterruptWatch, IsSilentWhereAnotherProcessSpeaks) {
  const InterruptWatch watch;
  watch.request().answer("stopping soon");
  watch.request().keep_quiet();
  testing::internal::CaptureStderr();
  ::kill(::getpid(), SIGTERM);
  EXPECT_TRUE(stops_within_ten_seconds(watch.request()));
  std::this_thread::sleep_for(kMoment);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(StopRequest, OfNoWatchIsNeverMade) {
  EXPECT_FALSE(StopRequest().stop_requested());
}

void wait_for_the_end() {
  std::this_thread::sleep_for(std::chrono::seconds(10));
}

// Raises the signals, so far apart, and lives on for a moment.
void get(std::vector<int> signals, std::chrono::milliseconds between) {
  const InterruptWatch watch;
  watch.request().answer("stopping soon");
  for (const int signal : signals) {
    ::kill(::getpid(), signal);
    std::this_thread::sleep_for(between);
  }
  std::this_thread::sleep_for(kMoment);
  ::_exit(watch.request().stop_requested() ? 42 : 1);
}

struct InterruptWatchDeathTest : testing::Test {
  InterruptWatchDeathTest() {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
  }
};

TEST_F(InterruptWatchDeathTest, EndsTheProcessAtTheSecondOfAKind) {
  EXPECT_EXIT(get({SIGINT, SIGINT}, kMoment),
              testing::KilledBySignal(SIGINT),
              "SIGINT again");
  EXPECT_EXIT(get({SIGTERM, SIGTERM}, kMoment),
              testing::KilledBySignal(SIGTERM),
              "SIGTERM again");
}

// Slurm warns and then ends; mpirun turns a Ctrl-C into SIGTERM; a lost
// terminal hangs up twice.
TEST_F(InterruptWatchDeathTest, GoesOnStoppingAtSignalsOfOtherKinds) {
  EXPECT_EXIT(get({SIGUSR1, SIGUSR1, SIGTERM, SIGINT, SIGHUP, SIGHUP}, kMoment),
              testing::ExitedWithCode(42),
              "stopping soon");
}

TEST_F(InterruptWatchDeathTest, TakesASignalThatComesTwiceAtOnceForOne) {
  EXPECT_EXIT(get({SIGTERM, SIGTERM}, std::chrono::milliseconds(5)),
              testing::ExitedWithCode(42),
              "stopping soon");
}

void be_interrupted_with_nothing_to_keep(const Path& target) {
  const InterruptWatch watch;
  const Temporary temporary(target);
  std::ofstream(temporary.path()) << "half";
  ::kill(::getpid(), SIGUSR1);
  wait_for_the_end();
}

TEST_F(InterruptWatchDeathTest, EndsAProcessThatHasNothingToKeep) {
  const Path folder = std::filesystem::temp_directory_path() /
                      ("dure_interrupt_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  EXPECT_EXIT(be_interrupted_with_nothing_to_keep(folder / "a"),
              testing::KilledBySignal(SIGUSR1),
              "SIGUSR1: ending now");
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove_all(folder);
}

void hang_up_under_nohup() {
  ::signal(SIGHUP, SIG_IGN);
  get({SIGHUP}, kMoment);
}

TEST_F(InterruptWatchDeathTest, LeavesAHangupIgnoredThatIsIgnored) {
  EXPECT_EXIT(hang_up_under_nohup(), testing::ExitedWithCode(1), "");
}

void run_a_program() {
  const InterruptWatch watch;
  const InterruptWatch::Unblocked signals;
  // The last digit has SIGHUP, SIGINT and others: none is blocked there.
  ::_exit(std::system("grep -q '^SigBlk:.*0000$' /proc/self/status") == 0 ? 0
                                                                          : 1);
}

TEST_F(InterruptWatchDeathTest, LetsProgramsTakeTheirSignals) {
  EXPECT_EXIT(run_a_program(), testing::ExitedWithCode(0), "");
}

TEST(InterruptWatch, LeavesTheSignalMaskAsItWas) {
  sigset_t before{};
  sigset_t after{};
  ::pthread_sigmask(SIG_BLOCK, nullptr, &before);
  { const InterruptWatch watch; }
  ::pthread_sigmask(SIG_BLOCK, nullptr, &after);
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    EXPECT_EQ(::sigismember(&before, signal), ::sigismember(&after, signal));
  }
}

}  // namespace
}  // namespace dure
