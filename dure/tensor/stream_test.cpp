#include "dure/tensor/stream.h"

#include <memory>
#include <stdexcept>

#include <gtest/gtest.h>

namespace dure {
namespace {

// An event that counts its waits.
class Counted final : public Event::Pending {
 public:
  void wait() override { ++waits; }
  int waits = 0;
};

class Failing final : public Event::Pending {
 public:
  void wait() override { throw std::runtime_error("it failed"); }
};

TEST(Event, IsDoneByDefault) {
  Stream stream(Device::kSim);
  stream.advance(2);
  stream.wait(Event());
  EXPECT_EQ(stream.seconds(), 2);
  EXPECT_FALSE(Event());
  EXPECT_TRUE(stream.record());
}

TEST(Stream, OfTheCpuBlocksUntilAnEventIsDone) {
  Stream stream = host_stream();
  const auto pending = std::make_shared<Counted>();
  const Event event(pending);
  const Event copy = event;
  stream.wait(event);
  stream.wait(copy);
  EXPECT_EQ(pending->waits, 2);
  stream.wait(stream.record());  // an operation's is done on launch
}

TEST(Stream, OfTheCpuThrowsWhatAnEventFailedWith) {
  Stream stream = host_stream();
  EXPECT_THROW(stream.wait(Event(std::make_shared<Failing>())),
               std::runtime_error);
}

TEST(Stream, OfASimulatedDeviceTakesTheLaterTime) {
  Stream one(Device::kSim);
  Stream other(Device::kSim);
  one.advance(3);
  const Event event = one.record();
  one.advance(10);
  other.advance(1);
  other.wait(event);
  EXPECT_EQ(other.seconds(), 3);
  other.advance(4);
  other.wait(event);  // is past
  EXPECT_EQ(other.seconds(), 7);
  EXPECT_EQ(other.now(), 7);
}

TEST(Stream, CountsHowOftenTheHostWaitsForIt) {
  Stream stream = host_stream();
  stream.wait(Event(std::make_shared<Counted>()));
  EXPECT_EQ(stream.synchronizations(), 0);
  stream.synchronize();
  stream.synchronize();
  EXPECT_EQ(stream.synchronizations(), 2);
}

}  // namespace
}  // namespace dure
