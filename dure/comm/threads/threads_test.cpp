// The conformance suite on threads, and tests that only threads allow.
#include <atomic>
#include <chrono>
#include <exception>
#include <filesystem>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <thread>

#include <gtest/gtest.h>

#include "dure/base/files.h"
#include "dure/comm/activity.h"
#include "dure/comm/conformance.h"
#include "dure/comm/error.h"
#include "dure/comm/self/self_communicator.h"
#include "dure/comm/threads/threads_communicator.h"

namespace dure::comm {
namespace {

using Body = std::function<void(Communicator&)>;

// Runs each rank on its own thread; an error of a rank ends the others.
void run_threads(int ranks, const Options& options, const Body& body) {
  ThreadWorld world(ranks, options);
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(ranks));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      const auto r = static_cast<std::size_t>(rank);
      try {
        body(*world.communicators()[r]);
      } catch (const std::exception& error) {
        errors[r] = std::current_exception();
        world.abort(rank, error.what());
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const std::exception_ptr& error : errors) {
    if (error != nullptr) {
      std::rethrow_exception(error);
    }
  }
}

BackEnd threads(int ranks) {
  return {"threads", ranks, [ranks](const Options& options, const Body& body) {
            run_threads(ranks, options, body);
          }};
}

BackEnd self() {
  return {"self", 1, [](const Options& options, const Body& body) {
            const auto alone = make_self_communicator(options);
            body(*alone);
          }};
}

INSTANTIATE_TEST_SUITE_P(Self, Conformance, testing::Values(self()));
INSTANTIATE_TEST_SUITE_P(Threads,
                         Conformance,
                         testing::Values(threads(1),
                                         threads(2),
                                         threads(3),
                                         threads(4),
                                         threads(7)));

TEST(Threads, ARankThatThrowsTakesTheOthersDownWithItsMessage) {
  std::atomic<int> told = 0;
  const auto start = std::chrono::steady_clock::now();
  try {
    run_threads(4, {}, [&](Communicator& comm) {
      if (comm.rank() == 2) {
        throw Error("disk on fire");
      }
      try {
        comm.run(host(), Barrier{});
      } catch (const Aborted& error) {
        EXPECT_THAT(error.what(),
                    testing::HasSubstr("rank 2 failed: disk on fire"));
        ++told;
        throw;
      }
    });
    ADD_FAILURE() << "nothing thrown";
  } catch (const Error&) {
  }
  EXPECT_EQ(told, 3);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(Threads, AnAbortReachesWhoWaitsForAMessageOrAStartedCollective) {
  std::atomic<int> told = 0;
  EXPECT_THROW(
      run_threads(3,
                  {},
                  [&](Communicator& comm) {
                    if (comm.rank() == 2) {
                      throw Error("gone");
                    }
                    std::vector<float> x(1000);
                    const Tensor tensor(x.data(), {1000});
                    const Work work =
                        comm.rank() == 0
                            ? comm.start(host(), Recv{.y = tensor, .from = 2})
                            : comm.start(host(),
                                         AllReduce{.y = tensor, .x = tensor});
                    try {
                      work.wait(host());
                    } catch (const Aborted&) {
                      ++told;
                      throw;
                    }
                  }),
      Error);
  EXPECT_EQ(told, 2);
}

void sleep_seconds(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

TEST(Threads, WhatARankHasStatedTakesAsLongAsItTakes) {
  std::vector<std::string> said;
  std::mutex mutex;
  const auto say = [&](const std::string& text) {
    const std::lock_guard lock(mutex);
    said.push_back(text);
  };
  run_threads(3, {.timeout_seconds = 0.2, .say = say}, [](Communicator& comm) {
    // Waits like a pipeline: the last rank for the one before, and so on.
    std::vector<float> x(1);
    const Tensor tensor(x.data(), {1});
    if (comm.rank() == 0) {
      const Activity outer(comm, "the end of the run");
      const Activity saving(comm, "saving step_00000007");
      sleep_seconds(1);
    } else {
      comm.run(host(), Recv{.y = tensor, .from = comm.rank() - 1});
    }
    if (comm.rank() < 2) {
      comm.run(host(), Send{.x = tensor, .to = comm.rank() + 1});
    }
    comm.run(host(), Barrier{});
  });
  ASSERT_FALSE(said.empty());
  EXPECT_THAT(
      said[0],
      testing::HasSubstr("waiting for rank 0: saving step_00000007, 0 s"));
}

TEST(Threads, WhoWaitsIsNotAtWhatItHasStated) {
  EXPECT_THROW(run_threads(2,
                           {.timeout_seconds = 0.2},
                           [](Communicator& comm) {
                             std::vector<float> x(1);
                             const Activity both(comm, "loading");
                             comm.run(host(),
                                      Recv{.y = Tensor(x.data(), {1}),
                                           .from = 1 - comm.rank()});
                           }),
               Error);
}

TEST(Threads, ATimeoutNamesWhatARankWasAt) {
  try {
    run_threads(2, {.timeout_seconds = 0.2}, [](Communicator& comm) {
      std::vector<float> x(1);
      const Tensor tensor(x.data(), {1});
      if (comm.rank() == 0) {
        const Activity loading(comm, "loading step_00000007");
        comm.run(host(), Recv{.y = tensor, .from = 1});
      } else {
        comm.run(host(), Barrier{});
      }
    });
    ADD_FAILURE() << "nothing thrown";
  } catch (const Error& error) {  // the first one's, or what it told the others
    EXPECT_THAT(error.what(),
                testing::AnyOf(testing::HasSubstr("nobody answered"),
                               testing::HasSubstr(
                                   "DID NOT ARRIVE; loading step_00000007")));
  }
}

TEST(Threads, ATimeoutWritesTheFlightRecorders) {
  const Path folder = std::filesystem::temp_directory_path() /
                      fmt::format("dure_flight_{}", ::getpid());
  EXPECT_THROW(
      run_threads(2,
                  {.timeout_seconds = 0.2, .flight_directory = folder.string()},
                  [](Communicator& comm) {
                    comm.run(host(), Barrier{});
                    if (comm.rank() == 0) {
                      std::vector<double> x(100);
                      const Tensor tensor(x.data(), {100});
                      comm.run(host(), AllReduce{.y = tensor, .x = tensor});
                    }
                  }),
      Timeout);
  const std::string waiting = read_file(folder / "flight_rank0.jsonl");
  EXPECT_THAT(waiting,
              testing::AllOf(testing::HasSubstr("\"kind\":\"all_reduce\""),
                             testing::HasSubstr("\"state\":\"waiting\"")));
  EXPECT_THAT(read_file(folder / "flight_rank1.jsonl"),
              testing::HasSubstr("\"kind\":\"barrier\""));
  std::filesystem::remove_all(folder);
}

// The ranks talk over a twin after their world has failed.
TEST(Threads, ATwinTalksOnWhenItsWorldHasFailed) {
  std::atomic<int> talked = 0;
  run_threads(4, {}, [&](Communicator& world) {
    const auto twin = world.twin({.timeout_seconds = 20});
    try {
      if (world.rank() == 2) {
        throw Error("the disk of rank 2 is full");
      }
      world.run(host(), Barrier{});
    } catch (const Error& error) {
      world.abandon(error.what());
    }
    if (world.rank() != 2) {
      EXPECT_THROW(world.run(host(), Barrier{}), Aborted);
    }
    std::int64_t sum = world.rank();
    const Tensor x(&sum, {1});
    twin->run(host(), AllReduce{.y = x, .x = x});
    EXPECT_EQ(sum, 6);
    ++talked;
  });
  EXPECT_EQ(talked, 4);
}

TEST(Threads, ResultsAreTheSameOnEveryRankAndEveryRun) {
  std::vector<std::vector<float>> results;
  std::mutex mutex;
  for (int round = 0; round < 3; ++round) {
    run_threads(4, {}, [&](Communicator& comm) {
      std::vector<float> x(10'000);
      for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = 1.0F / static_cast<float>(1 + i + 10 * comm.rank());
      }
      const Tensor tensor(x.data(), {10'000});
      comm.run(host(), AllReduce{.y = tensor, .x = tensor});
      const std::lock_guard lock(mutex);
      results.push_back(x);
    });
  }
  for (const auto& result : results) {
    EXPECT_EQ(result, results[0]);
  }
}

}  // namespace
}  // namespace dure::comm
