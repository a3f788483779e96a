// The order of streams and of what runs beside them.
#include "dure/comm/communication_order.h"

#include <array>
#include <functional>
#include <gmock/gmock.h>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/comm/self/self_communicator.h"
#include "dure/comm/sim/sim_communicator.h"
#include "dure/comm/threads/threads_communicator.h"
#include "dure/kernels/elementwise.h"
#include "dure/tensor/arena.h"

namespace dure::comm {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

// A rank whose streams are checked.
class Checked {
 public:
  explicit Checked(Device device) : device_(device) {}

  OwnedTensor floats(std::int64_t count) {
    return arena.tensor({count}, Category::kWorkspace, DType::kF32);
  }
  void copy(const Tensor& y, const ConstTensor& x) {
    launch(stream, kernels::Copy{.y = y, .x = x});
  }

 private:
  Device device_;
  std::shared_ptr<StreamOrder> order_ = std::make_shared<StreamOrder>();

 public:
  Stream stream{device_, {.threads = 1, .order = order_}};
  Arena arena{stream};
};

using Body = std::function<void(Communicator&, Checked&)>;

// Runs it on one rank, on two that are threads, and on a simulated one.
void on_each_back_end(const Body& body) {
  Checked alone(Device::kCpu);
  body(*make_self_communicator(), alone);
  Checked simulated(Device::kSim);
  body(*make_sim_communicator({.ranks = 2}), simulated);
  ThreadWorld world(2, {.timeout_seconds = 60});
  std::vector<std::jthread> threads;
  for (const auto& ranks : world.communicators()) {
    threads.emplace_back([&body, &ranks] {
      Checked rank(Device::kCpu);
      body(*ranks, rank);
    });
  }
}

TEST(CommunicationOrder, LetsNothingReadAResultBeforeItsWork) {
  on_each_back_end([](Communicator& ranks, Checked& rank) {
    const OwnedTensor x = rank.floats(8);
    const OwnedTensor y = rank.floats(8);
    const OwnedTensor z = rank.floats(8);
    const Work work = ranks.start(rank.stream, AllReduce{.y = y, .x = x});
    EXPECT_THAT(
        [&] { rank.copy(z, y); },
        ThrowsMessage<Error>(
            AllOf(HasSubstr("copy on stream 1 reads 32 bytes"),
                  HasSubstr("all_reduce on the collectives of world (lane "))));
    work.wait(rank.stream);
    EXPECT_NO_THROW(rank.copy(z, y));
  });
}

TEST(CommunicationOrder, LetsNothingChangeWhatIsSentBeforeItsWork) {
  on_each_back_end([](Communicator& ranks, Checked& rank) {
    const OwnedTensor x = rank.floats(8);
    const OwnedTensor y = rank.floats(8);
    const OwnedTensor z = rank.floats(8);
    const Work work = ranks.start(rank.stream, AllReduce{.y = y, .x = x});
    EXPECT_NO_THROW(rank.copy(z, x));
    EXPECT_THROW(rank.copy(x, z), Error);
    work.wait(rank.stream);
    EXPECT_NO_THROW(rank.copy(x, z));
  });
}

TEST(CommunicationOrder, HoldsForMessages) {
  on_each_back_end([](Communicator& ranks, Checked& rank) {
    const OwnedTensor x = rank.floats(8);
    const OwnedTensor y = rank.floats(8);
    const OwnedTensor z = rank.floats(8);
    const int other = ranks.size() - 1 - ranks.rank();
    for (int i = 0; i < 3; ++i) {
      const std::array<Message, 2> messages = {Send{.x = x, .to = other},
                                               Recv{.y = y, .from = other}};
      const Work work = ranks.start_messages(rank.stream, messages);
      EXPECT_THAT([&] { rank.copy(z, y); },
                  ThrowsMessage<Error>(
                      HasSubstr("recv on a message of world (lane 3) wrote")));
      work.wait(rank.stream);
      EXPECT_NO_THROW(rank.copy(x, y));
    }
  });
}

// One communicator's collectives run one after another; those of two do not.
TEST(CommunicationOrder, KnowsTheOrderOfOneCommunicatorsCollectives) {
  on_each_back_end([](Communicator& ranks, Checked& rank) {
    const OwnedTensor x = rank.floats(8);
    const OwnedTensor y = rank.floats(8);
    const OwnedTensor z = rank.floats(8);
    const std::vector<int> all =
        ranks.size() == 1 ? std::vector<int>{0} : std::vector<int>{0, 1};
    const auto others = ranks.subgroup(all, "others");
    const Work first = ranks.start(rank.stream, AllReduce{.y = y, .x = x});
    const Work second = ranks.start(rank.stream, AllReduce{.y = z, .x = y});
    EXPECT_THAT(
        [&] { others->run(rank.stream, AllReduce{.y = x, .x = z}); },
        ThrowsMessage<Error>(AllOf(HasSubstr("on the collectives of others"),
                                   HasSubstr("on the collectives of world"))));
    second.wait(rank.stream);
    EXPECT_NO_THROW(others->run(rank.stream, AllReduce{.y = x, .x = z}));
    first.wait(rank.stream);
  });
}

// It stays as it is where the whole is gathered in place.
TEST(CommunicationOrder, LetsARanksOwnPartOfAWholeBeRead) {
  on_each_back_end([](Communicator& ranks, Checked& rank) {
    const OwnedTensor y = rank.floats(std::int64_t{8} * ranks.size());
    const OwnedTensor z = rank.floats(8);
    const auto part = [&](int of) { return y.rows(std::int64_t{8} * of, 8); };
    const Work work =
        ranks.start(rank.stream, AllGather{.y = y, .x = part(ranks.rank())});
    EXPECT_NO_THROW(rank.copy(z, part(ranks.rank())));
    if (ranks.size() > 1) {
      const int other = (ranks.rank() + 1) % ranks.size();
      EXPECT_THROW(rank.copy(z, part(other)), Error);
    }
    work.wait(rank.stream);
  });
}

// The address sanitizer would find that block, too, and end the program.
#ifdef __has_feature
constexpr bool kAddressSanitizer = __has_feature(address_sanitizer);
#else
constexpr bool kAddressSanitizer = false;
#endif

TEST(CommunicationOrder, FindsABlockThatIsGivenBackTooEarly) {
  on_each_back_end([](Communicator& ranks, Checked& rank) {
    const OwnedTensor x = rank.floats(8);
    for (const bool tells : {true, false}) {
      if (!tells && kAddressSanitizer) {
        continue;
      }
      OwnedTensor y = rank.floats(8);
      const Work work = ranks.start(rank.stream, AllReduce{.y = y, .x = x});
      if (tells) {
        y.used_until(work.event());
      }
      y = OwnedTensor();
      if (tells) {
        EXPECT_NO_THROW(y = rank.floats(8));
      } else {
        EXPECT_THROW(y = rank.floats(8), Error);
        work.wait(rank.stream);
      }
    }
  });
}

}  // namespace
}  // namespace dure::comm
