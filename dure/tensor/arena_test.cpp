#include "dure/tensor/arena.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure {
namespace {

TEST(Arena, GivesTheSameAddressesToEqualSteps) {
  Stream stream = host_stream();
  Arena arena(stream);
  const auto step = [&] {
    const Buffer a = arena.allocate(100, Category::kActivations);
    const Buffer b = arena.allocate(1000, Category::kWorkspace);
    return std::pair(a.data(), b.data());
  };
  EXPECT_EQ(step(), step());
}

TEST(Arena, MergesFreedNeighboursInAnyOrder) {
  Stream stream = host_stream();
  Arena arena(stream);
  std::vector<Buffer> blocks;
  for (int i = 0; i < 5; ++i) {
    blocks.push_back(arena.allocate(64, Category::kActivations));
  }
  void* first = blocks[0].data();
  for (std::size_t i : {1U, 3U, 2U, 0U, 4U}) {
    blocks[i] = Buffer();
  }
  EXPECT_EQ(arena.allocate(5 * 64, Category::kActivations).data(), first);
  EXPECT_EQ(arena.high_water(), 5U * 64);
}

TEST(Arena, KeepsAccountByCategory) {
  Stream stream = host_stream();
  Arena arena(stream);
  {
    const Buffer a = arena.allocate(128, Category::kParameters);
    const Buffer b = arena.allocate(64, Category::kGradients);
  }
  const Buffer c = arena.allocate(64, Category::kGradients);
  EXPECT_EQ(arena.ledger().current(), 64U);
  EXPECT_EQ(arena.ledger().peak(), 192U);
  EXPECT_EQ(arena.ledger().peak(Category::kParameters), 128U);
  EXPECT_EQ(arena.ledger().current(Category::kParameters), 0U);
}

TEST(Arena, RefusesToPassItsLimit) {
  Stream stream = host_stream();
  Arena arena(stream, {.limit_bytes = 1 << 20});
  const Buffer held = arena.allocate(1 << 19, Category::kParameters);
  try {
    arena.allocate((1 << 19) + 1, Category::kActivations);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("activations"), std::string::npos);
  }
}

// There are several ranges of addresses. Free memory of one is not joined with
// another's, and each is filled from its lowest address.
TEST(Arena, GrowsByNeedWhereAddressesAreLimited) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers need all addresses";
#endif
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &before), 0);
  const std::size_t room = std::size_t{400} << 20;
  std::ifstream statm("/proc/self/statm");
  std::size_t pages = 0;
  statm >> pages;
  const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const rlimit limited{pages * page + room, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &limited), 0);
  {
    Stream stream = host_stream();
    Arena arena(stream);
    std::vector<Buffer> blocks;
    for (int i = 0; i < 8; ++i) {
      blocks.push_back(
          arena.allocate(std::size_t{30} << 20, Category::kActivations));
      std::memset(blocks.back().data(), i, blocks.back().bytes());
    }
    EXPECT_EQ(arena.ledger().current(), std::size_t{240} << 20);
    EXPECT_GE(arena.high_water(), std::size_t{240} << 20);
    try {
      arena.allocate(room, Category::kActivations);
      ADD_FAILURE() << "nothing thrown";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("ulimit -v leaves"),
                std::string::npos)
          << error.what();
    }
    void* const lowest = std::min_element(blocks.begin(),
                                          blocks.end(),
                                          [](const auto& a, const auto& b) {
                                            return a.data() < b.data();
                                          })
                             ->data();
    blocks.clear();
    EXPECT_EQ(arena.allocate(100, Category::kActivations).data(), lowest);
  }
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &before), 0);
}

TEST(Arena, OfASimulatedDeviceIsLargerThanAnyMachine) {
  Stream stream(Device::kSim);
  Arena arena(stream);
  const OwnedTensor weights =
      arena.tensor({1 << 20, 1 << 20}, Category::kParameters, DType::kF32);
  EXPECT_EQ(arena.ledger().current(Category::kParameters),
            std::size_t{1} << 42);
}

// An event that records how many blocks the arena held when it was waited for.
class Use final : public Event::Pending {
 public:
  explicit Use(const Arena& arena) : arena_(arena) {}
  void wait() override {
    held = arena_.ledger().current();
    if (fails) {
      throw Error("the use failed");
    }
  }
  std::size_t held = 0;
  bool fails = false;

 private:
  const Arena& arena_;
};

TEST(Arena, HoldsABlockUntilItsLastUseIsOver) {
  Stream stream = host_stream();
  Arena arena(stream);
  const auto first = std::make_shared<Use>(arena);
  const auto second = std::make_shared<Use>(arena);
  {
    OwnedTensor x = arena.tensor({16}, Category::kActivations, DType::kF32);
    x.used_until(Event(first));
    OwnedTensor moved = std::move(x);
    moved.used_until(Event(second));
    EXPECT_EQ(first->held, 0U);  // nobody waits while it is held
  }
  EXPECT_EQ(first->held, 64U);
  EXPECT_EQ(second->held, 64U);
  EXPECT_EQ(arena.ledger().current(), 0U);
  EXPECT_EQ(stream.synchronizations(), 0);
}

TEST(Arena, GivesABlockBackThoughItsUseFailed) {
  Stream stream = host_stream();
  Arena arena(stream);
  const auto use = std::make_shared<Use>(arena);
  use->fails = true;
  {
    Buffer block = arena.allocate(64, Category::kCommunication);
    block.used_until(Event(use));
  }
  EXPECT_EQ(use->held, 64U);
  EXPECT_EQ(arena.ledger().current(), 0U);
}

// Order on the home stream: its clock is past the use when the block is free,
// whether it was before or not.
TEST(Arena, MakesItsHomeStreamWaitForTheUsesOfABlock) {
  Stream stream(Device::kSim);
  Arena arena(stream);
  const void* address = nullptr;
  {
    Buffer block = arena.allocate(64, Category::kCommunication);
    address = block.data();
    block.used_until(Event(5.0));
    block.used_until(Event(3.0));
    EXPECT_EQ(stream.seconds(), 0);
  }
  EXPECT_EQ(stream.seconds(), 5);
  EXPECT_EQ(arena.allocate(64, Category::kWorkspace).data(), address);
  EXPECT_EQ(stream.seconds(), 5);
}

TEST(OwnedTensor, LeavesNothingBehindWhenMoved) {
  Stream stream = host_stream();
  Arena arena(stream);
  OwnedTensor a = arena.tensor({2, 3}, Category::kActivations, DType::kF32);
  const OwnedTensor b = std::move(a);
  EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move): the claim
  EXPECT_EQ(b.elements(), 6);
}

TEST(ArenaDeathTest, FaultsWhereSimulatedDataIsTouched) {
  Stream stream(Device::kSim);
  Arena arena(stream);
  const OwnedTensor x = arena.tensor({1}, Category::kActivations, DType::kF32);
  EXPECT_DEATH(*x.data<float>() = 1, "");
}

}  // namespace
}  // namespace dure
