#include "dure/tensor/stream_order.h"

#include <gmock/gmock.h>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/tensor/arena.h"
#include "dure/tensor/stream.h"

namespace dure {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;
using Use = StreamOrder::Use;

// Two streams of a rank with an arena on the first one.
struct TwoStreams {
  std::shared_ptr<StreamOrder> order = std::make_shared<StreamOrder>();
  Stream home{Device::kCpu, {.threads = 1, .order = order}};
  Stream other{Device::kCpu, {.threads = 1, .order = order}};
  Arena arena{home};
  Buffer block = arena.allocate(256, Category::kWorkspace);

  // Uses some of the block's bytes, from `first` on.
  void use(Stream& stream,
           const char* operation,
           Use use,
           std::size_t first = 0,
           std::size_t bytes = 64) const {
    const StreamOrder::Access access = {
        .operation = operation,
        .first = static_cast<const std::byte*>(block.data()) + first,
        .bytes = bytes,
        .use = use};
    stream.order()->check(access);
    stream.order()->note(access);
  }
};

// Two streams of which the other one may use the block.
struct Ready : TwoStreams {
  Ready() { other.wait(home.record()); }
};

TEST(OrderClock, KnowsTheLatestPointOfEachLane) {
  OrderClock a;
  a.raise(7, 2);
  a.raise(3, 5);
  a.raise(7, 1);
  OrderClock b;
  b.raise(3, 4);
  b.raise(9, 1);
  a.join(b);
  EXPECT_EQ(a.of(3), 5U);
  EXPECT_EQ(a.of(7), 2U);
  EXPECT_EQ(a.of(8), 0U);
  EXPECT_EQ(a.of(9), 1U);
}

TEST(StreamOrder, NamesBothUsesThatNoEventOrders) {
  const Ready two;
  Stream& home = const_cast<Stream&>(two.home);
  Stream& other = const_cast<Stream&>(two.other);
  two.use(home, "add", Use::kWrite);
  EXPECT_THAT([&] { two.use(other, "copy", Use::kRead, 32, 64); },
              ThrowsMessage<Error>(AllOf(
                  HasSubstr("copy on stream 2 reads 32 bytes at 0x"),
                  HasSubstr("which add on stream 1 wrote before"),
                  HasSubstr("record one on stream 1 after add, and let stream "
                            "2 wait for it"))));
}

TEST(StreamOrder, TakesEachPairOfUsesThatAnEventOrders) {
  for (const Use first : {Use::kRead, Use::kWrite}) {
    for (const Use second : {Use::kRead, Use::kWrite}) {
      Ready two;
      two.use(two.home, "first", first);
      two.other.wait(two.home.record());
      EXPECT_NO_THROW(two.use(two.other, "second", second));
    }
  }
}

TEST(StreamOrder, LetsReadsAloneBeWithoutOrder) {
  for (const Use first : {Use::kRead, Use::kWrite}) {
    for (const Use second : {Use::kRead, Use::kWrite}) {
      Ready two;
      two.use(two.home, "first", first);
      if (first == Use::kRead && second == Use::kRead) {
        EXPECT_NO_THROW(two.use(two.other, "second", second));
      } else {
        EXPECT_THROW(two.use(two.other, "second", second), Error);
      }
    }
  }
}

// Each of several reads must be over.
TEST(StreamOrder, RemembersTheReadsOfEveryStream) {
  Ready two;
  Stream third(Device::kCpu, {.threads = 1, .order = two.order});
  third.wait(two.home.record());
  two.use(two.other, "early", Use::kRead);
  two.use(third, "late", Use::kRead);
  two.home.wait(third.record());
  EXPECT_THAT([&] { two.use(two.home, "write", Use::kWrite); },
              ThrowsMessage<Error>(HasSubstr("early on stream 2 read")));
  two.home.wait(two.other.record());
  EXPECT_NO_THROW(two.use(two.home, "write", Use::kWrite));
}

TEST(StreamOrder, AsksOnlyForAnOrderOfTheSameBytes) {
  Ready two;
  two.use(two.home, "left", Use::kWrite, 0, 100);
  EXPECT_NO_THROW(two.use(two.other, "right", Use::kWrite, 100, 100));
  EXPECT_THROW(two.use(two.home, "both", Use::kRead, 99, 2), Error);
  EXPECT_NO_THROW(two.use(two.home, "left", Use::kRead, 0, 100));
}

// An event stands for what was launched before it, not for what came after.
TEST(StreamOrder, CountsOnlyWhatIsBeforeTheEvent) {
  Ready two;
  const Event early = two.home.record();
  two.use(two.home, "add", Use::kWrite);
  two.other.wait(early);
  EXPECT_THROW(two.use(two.other, "copy", Use::kRead), Error);
}

TEST(StreamOrder, FollowsEventsThroughAThirdStream) {
  Ready two;
  Stream third(Device::kCpu, {.threads = 1, .order = two.order});
  two.use(two.home, "add", Use::kWrite);
  third.wait(two.home.record());
  two.other.wait(third.record());
  EXPECT_NO_THROW(two.use(two.other, "copy", Use::kRead));
}

TEST(StreamOrder, TakesTheHostsWaitForAnOrder) {
  Ready two;
  two.use(two.home, "add", Use::kWrite);
  const Event added = two.home.record();
  two.use(two.home, "next", Use::kWrite, 128);
  two.home.synchronize(added);
  EXPECT_NO_THROW(two.use(two.other, "copy", Use::kRead));
  EXPECT_THROW(two.use(two.other, "copy", Use::kRead, 128), Error);
  two.home.synchronize();
  EXPECT_NO_THROW(two.use(two.other, "copy", Use::kRead, 128));
}

TEST(StreamOrder, FindsWhatTheHostReadsTooEarly) {
  Ready two;
  two.use(two.other, "add", Use::kWrite);
  const StreamOrder::Access read = {
      .operation = "a read", .first = two.block.data(), .bytes = 8};
  two.home.synchronize();
  EXPECT_THAT([&] { two.order->host_reads(read); },
              ThrowsMessage<Error>(AllOf(HasSubstr("a read on the host reads"),
                                         HasSubstr("add on stream 2 wrote"))));
  two.other.synchronize();
  EXPECT_NO_THROW(two.order->host_reads(read));
}

// The block may still be in use by what the home stream did with it before.
TEST(StreamOrder, GivesABlockToAnotherStreamByAnEvent) {
  TwoStreams two;
  EXPECT_THAT([&] { two.use(two.other, "copy", Use::kWrite); },
              ThrowsMessage<Error>(
                  HasSubstr("a new block on stream 1 took from the arena")));
}

TEST(StreamOrder, FindsABlockThatIsGivenBackTooEarly) {
  for (const bool tells : {false, true}) {
    Ready two;
    two.use(two.other, "copy", Use::kRead);
    if (tells) {
      two.block.used_until(two.other.record());
    }
    two.block = Buffer();
    const auto take = [&] {
      two.block = two.arena.allocate(64, Category::kWorkspace);
    };
    if (tells) {
      EXPECT_NO_THROW(take());
    } else {
      EXPECT_THAT(take,
                  ThrowsMessage<Error>(AllOf(
                      HasSubstr("a new block on stream 1 takes from the arena"),
                      HasSubstr("copy on stream 2 read before"))));
    }
  }
}

TEST(StreamOrder, ForgetsAnArenaThatIsGone) {
  TwoStreams two;
  const void* const first = two.block.data();
  const StreamOrder::Access access = {
      .operation = "copy", .first = first, .bytes = 64, .use = Use::kWrite};
  EXPECT_THROW(two.other.order()->check(access), Error);
  two.order->forget(first);
  EXPECT_NO_THROW(two.other.order()->check(access));
  two.order->watch(first, 4096);  // for the arena's own end
}

TEST(StreamOrder, KeepsSimulatedArenasApart) {
  const auto order = std::make_shared<StreamOrder>();
  Stream one(Device::kSim, {.order = order});
  Stream other(Device::kSim, {.order = order});
  Arena first(one);
  Arena second(other);
  const Buffer a = first.allocate(64, Category::kWorkspace);
  const Buffer b = second.allocate(64, Category::kWorkspace);
  EXPECT_NE(a.data(), b.data());
}

TEST(StreamOrder, IsOffUnlessItIsAskedFor) {
  Stream stream(Device::kCpu, {.threads = 1, .order = nullptr});
  EXPECT_EQ(stream.order(), nullptr);
  EXPECT_EQ(stream.record().order(), nullptr);
}

}  // namespace
}  // namespace dure
