// How many parts and how much memory saving uses, and how it fails.
#include <csignal>
#include <gmock/gmock.h>
#include <memory>
#include <set>
#include <sys/resource.h>
#include <thread>

#include "dure/checkpoint/sharded/tensor_gatherer_testing.h"

namespace dure::train {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;

using GatheringLimits = Gathering;

// A holding that counts what is acquired.
class Counted {
 public:
  explicit Counted(Holding of)
      : holding_(of), thread_(std::this_thread::get_id()) {
    holding_.acquire = [this, inner = of.acquire](const OwnedPart& part) {
      held_.insert(part.name);
      most_ = std::max(most_, held_.size());
      const auto release = [this, name = part.name](const void*) {
        EXPECT_EQ(std::this_thread::get_id(), thread_);
        held_.erase(held_.find(name));
      };
      return PartInUse{.values = inner(part).values,
                       .owner = std::shared_ptr<const void>(this, release)};
    };
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

  const Holding& holding() const { return holding_; }
  // The names of the acquired parts, and the most at a time.
  const std::multiset<std::string>& held() const { return held_; }
  std::size_t most() const { return most_; }

 private:
  Holding holding_;
  std::thread::id thread_;
  std::multiset<std::string> held_;
  std::size_t most_ = 0;
};

// A part that lies in a piece is acquired until the piece is released; one that
// is copied or sent, only for that time.
TEST_F(GatheringLimits, AcquiresAPartForAPieceAndNoLonger) {
  launch::run_ranks({.ranks = 3}, [&](Communicator& comm) {
    Stream stream = host_stream();
    Arena arena(stream);
    const Shard shard(config, comm.rank(), 3);
    const Counted counted(shard.holding());
    const CheckpointPlan plan = plan_of(config);
    TensorGatherer gatherer(plan, counted.holding(), comm, arena);
    std::size_t in_place = 0;
    for (const checkpoint::TensorPiece& piece : checkpoint::pieces_of(plan)) {
      const auto owner = gatherer.collect(piece).owner;
      const std::multiset<std::string> one = {std::string(piece.tensor)};
      EXPECT_THAT(counted.held(), testing::AnyOf(testing::IsEmpty(), one));
      in_place += counted.held().size();
    }
    EXPECT_THAT(counted.held(), testing::IsEmpty());
    EXPECT_EQ(in_place > 0, comm.rank() == 0);
    EXPECT_EQ(counted.most(), 1U);
  });
}

// All 122 MB are in place: no more of them are acquired than are in flight.
TEST_F(GatheringLimits, HoldsNoMorePartsThanPiecesAreInFlight) {
  config = small_model(1'900'001);
  launch::run_ranks({.ranks = 1}, [&](Communicator& comm) {
    Stream stream = host_stream();
    Arena arena(stream);
    const Shard shard(config, 0, 1);
    const Counted counted(shard.holding());
    const CheckpointPlan plan = plan_of(config);
    save_parts(folder / "a", plan, counted.holding(), comm, arena);
    EXPECT_THAT(counted.held(), testing::IsEmpty());
    const auto small = static_cast<std::size_t>(std::ranges::count_if(
        checkpoint::pieces_of(plan), [](const checkpoint::TensorPiece& piece) {
          return piece.bytes < checkpoint::kPieceBytes;
        }));
    EXPECT_LE(counted.most(),
              checkpoint::kInFlightBytes / checkpoint::kPieceBytes + small);
  });
}

// Rank 0 has a third of 122 MB, and holds 64 MiB of the rest at a time.
TEST_F(GatheringLimits, TakesNoMoreMemoryThanMayBeInFlight) {
  config = small_model(1'900'001);
  launch::run_ranks({.ranks = 3}, [&](Communicator& comm) {
    Stream stream = host_stream();
    Arena arena(stream);
    const Shard shard(config, comm.rank(), 3);
    save_parts(folder / "a", plan_of(config), shard.holding(), comm, arena);
    EXPECT_LE(arena.high_water(), checkpoint::kInFlightBytes);
    EXPECT_EQ(arena.high_water() > 0, comm.rank() == 0);
  });
  CheckpointReader(folder / "a").verify();
}

// The test above with columns, where both sides have packed parts.
TEST_F(GatheringLimits, TakesNoMoreMemoryForWhatIsPacked) {
  config.hidden = 1024;
  config.ffn_hidden = 6144;  // 24 MiB a matrix
  launch::run_ranks({.ranks = 4}, [&](Communicator& comm) {
    Stream stream = host_stream();
    Arena arena(stream);
    const Shard shard(config, place_of(comm.rank(), 2, 2));
    save_parts(folder / "a", plan_of(config), shard.holding(), comm, arena);
    EXPECT_LE(arena.ledger().peak(),
              comm.rank() == 0 ? kGatherBytes : checkpoint::kPieceBytes);
  });
  CheckpointReader(folder / "a").verify();
}

TEST_F(GatheringLimits, NamesWhatNobodyHas) {
  const auto error = [&](auto change) {
    try {
      launch::run_ranks({.ranks = 2}, [&](Communicator& comm) {
        Stream stream = host_stream();
        Arena arena(stream);
        Shard shard(config, comm.rank(), 2);
        change(shard.parts);
        save_parts(folder / "a", plan_of(config), shard.holding(), comm, arena);
      });
    } catch (const Error& caught) {
      return std::string(caught.what());
    }
    return std::string();
  };
  EXPECT_THAT(error([](auto& parts) {
                std::erase_if(parts, [](const WeightPart& part) {
                  return part.name == "final_norm.bias.momentum";
                });
              }),
              HasSubstr("no rank has element 0 of final_norm.bias.momentum"));
  EXPECT_THAT(error([](auto& parts) { parts[0].name = "other"; }),
              HasSubstr("tensor other is not one of the checkpoint's"));
  EXPECT_THAT(error([](auto& parts) { parts[0].offset = 1'000'000; }),
              HasSubstr("are not of this rank's part of embedding.token"));
  EXPECT_EQ(entries(), 0U);
}

// A column has a hole: every rank says so, and nothing of the folder stays.
TEST_F(GatheringLimits, EveryRankNamesTheElementThatIsMissing) {
  std::mutex mutex;
  std::vector<std::string> errors;
  EXPECT_THROW(
      launch::run_ranks(
          {.ranks = 2},
          [&](Communicator& comm) {
            Stream stream = host_stream();
            Arena arena(stream);
            Shard shard(config, place_of(comm.rank(), 2, 1));
            for (WeightPart& part : shard.parts) {
              if (comm.rank() == 1 && part.name == "blocks.0.mlp.down.weight") {
                const std::int64_t n = part.values.elements();
                part.values = part.values.rows(0, n - 1);
              }
            }
            try {
              save_parts(
                  folder / "a", plan_of(config), shard.holding(), comm, arena);
            } catch (const Error& caught) {
              const std::lock_guard lock(mutex);
              errors.emplace_back(caught.what());
              throw;
            }
          }),
      Error);
  EXPECT_THAT(errors,
              AllOf(testing::SizeIs(2),
                    Each(HasSubstr("no rank has element 255 of "
                                   "blocks.0.mlp.down.weight"))));
  EXPECT_EQ(entries(), 0U);
}

TEST_F(GatheringLimits, ADirectoryThatCannotBeWrittenEndsAllRanks) {
  write_file_atomically(folder / "file", "in the way");
  EXPECT_THAT(errors_of_saving(folder / "file" / "a", 3),
              AllOf(testing::SizeIs(4), Each(HasSubstr("file"))));
}

// A limit on the size of files makes a write in the middle fail, as on a full
// disk.
TEST_F(GatheringLimits, AFullDiskEndsAllRanksAndLeavesNothing) {
  config = small_model(300'001);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit low = before;
  low.rlim_cur = 9 << 20;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &low), 0);
  const auto errors = errors_of_saving(folder / "a", 3);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(errors,
              AllOf(testing::SizeIs(4), Each(HasSubstr("can't write"))));
  EXPECT_THAT(errors.front(), testing::StartsWith("rank 0: "));
  EXPECT_EQ(entries(), 0U);
}

}  // namespace
}  // namespace dure::train
