#include "dure/comm/host_ranks.h"

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "dure/comm/error.h"
#include "dure/comm/host_testing.h"
#include "dure/comm/self/self_communicator.h"
#include "dure/comm/sim/sim_communicator.h"
#include "dure/comm/threads/threads_communicator.h"

namespace dure::comm {
namespace {

// Calls body(world, control) on three ranks.
void on_ranks(const std::function<void(Communicator&, HostRanks&)>& body) {
  ThreadWorld world(3, {.timeout_seconds = 60});
  std::vector<std::thread> threads;
  for (const auto& comm : world.communicators()) {
    threads.emplace_back([&] {
      HostRanks control(*comm);
      body(*comm, control);
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST(HostRanks, AddUpWhatEachHas) {
  on_ranks([](Communicator& world, HostRanks& control) {
    EXPECT_EQ(control.sum(1.5 + world.rank()), 7.5);
    ExactSum here;
    here.add(world.rank() == 1 ? 0.25 : 0.0);
    EXPECT_EQ(control.sum(here).value(), 0.25);
    std::vector<ExactSum> two(2);
    two[0].add(world.rank());
    two[1].add(10.0);
    control.sum(two);
    EXPECT_EQ(two[0].value(), 3);
    EXPECT_EQ(two[1].value(), 30);
  });
}

TEST(HostRanks, AgreeOnTheLeastAndOnWhatAnySays) {
  on_ranks([](Communicator& world, HostRanks& control) {
    EXPECT_EQ(control.least(std::nullopt), std::nullopt);
    EXPECT_EQ(control.least(world.rank() == 2 ? std::optional<std::int64_t>(7)
                                              : std::nullopt),
              7);
    EXPECT_TRUE(control.any(world.rank() == 1));
    EXPECT_FALSE(control.any(false));
    EXPECT_TRUE(control.all_same(4));
    EXPECT_FALSE(control.all_same(world.rank()));
  });
}

TEST(HostRanks, TellOneAnotherNumbersAndTexts) {
  on_ranks([](Communicator& world, HostRanks& control) {
    const std::vector<std::int64_t> mine(static_cast<std::size_t>(world.rank()),
                                         world.rank());
    EXPECT_EQ(control.gather(mine),
              (std::vector<std::vector<std::int64_t>>{{}, {1}, {2, 2}}));
    const std::string text(static_cast<std::size_t>(world.rank()), 'x');
    EXPECT_EQ(control.gather_texts(text),
              world.rank() == 0 ? (std::vector<std::string>{"", "x", "xx"})
                                : std::vector<std::string>());
    EXPECT_EQ(control.first_rank_says([] { return std::string("folder"); }),
              "folder");
  });
}

TEST(HostRanks, LetTheFirstOneGoFirst) {
  std::atomic<bool> first_was_here = false;
  on_ranks([&](Communicator& world, HostRanks& control) {
    const bool found = control.first_rank_first([&] {
      return world.rank() == 0 ? first_was_here.exchange(true)
                               : first_was_here.load();
    });
    EXPECT_EQ(found, world.rank() != 0);
  });
}

// Numbers do not wait for a collective of tensors in flight.
TEST(HostRanks, AreNotHeldUpByTensors) {
  on_ranks([](Communicator& world, HostRanks& control) {
    float x = 1;
    const Tensor tensor(&x, {1});
    Work late;
    if (world.rank() != 0) {
      late = world.start(host(), AllReduce{.y = tensor, .x = tensor});
    }
    EXPECT_TRUE(control.any(world.rank() == 0));
    if (world.rank() == 0) {
      late = world.start(host(), AllReduce{.y = tensor, .x = tensor});
    }
    late.wait(host());
    EXPECT_EQ(x, 3);
    EXPECT_EQ(world.traffic().of("world", Kind::kAllReduce).calls, 1U);
    EXPECT_EQ(world.traffic().of("control", Kind::kAllReduce).calls, 1U);
  });
}

// It does not matter on which communicator they wait.
TEST(HostRanks, AreTakenDownByARankThatFails) {
  on_ranks([](Communicator& world, HostRanks& control) {
    if (world.rank() == 1) {
      return world.abandon("the disk of rank 1 is full");
    }
    EXPECT_THROW((void)control.any(false), Aborted);
  });
  on_ranks([](Communicator& world, HostRanks& control) {
    if (world.rank() == 1) {
      return control.ranks().abandon("the disk of rank 1 is full");
    }
    EXPECT_THROW(world.run(host(), Barrier{}), Aborted);
  });
}

TEST(HostRanks, AloneHaveTheirOwn) {
  const auto alone = make_self_communicator();
  HostRanks control(*alone);
  EXPECT_EQ(control.sum(2.5), 2.5);
  EXPECT_EQ(control.gather_texts("a"), std::vector<std::string>{"a"});
}

TEST(HostRanks, ThatAreSimulatedMoveNoClock) {
  Stream clock(Device::kSim);
  const auto world = make_sim_communicator({.rank = 1, .ranks = 8});
  HostRanks control(*world);
  EXPECT_EQ(control.sum(2.5), 2.5);
  EXPECT_TRUE(control.any(true));
  EXPECT_EQ(control.broadcast_text("mine"), "mine");
  control.barrier();
  EXPECT_EQ(clock.seconds(), 0);
  // It does not delay a collective of tensors either.
  const Work work = world->start(clock, Barrier{});
  EXPECT_LT(work.event().seconds(), 1e-3);
}

}  // namespace
}  // namespace dure::comm
