// The conformance suite between processes: mpirun -n RANKS comm_mpi_test
// [--funneled]. Every rank runs every test; rank 0 prints, the others print
// failures only.
#include <cstdio>
#include <cstring>
#include <numeric>
#include <thread>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/comm/conformance.h"
#include "dure/comm/error.h"
#include "dure/comm/mpi/world.h"

namespace dure::comm {
namespace {

using Body = std::function<void(Communicator&)>;

struct Run {
  std::unique_ptr<MpiWorld> world;
  std::unique_ptr<Communicator> between_tests;
};

Run& the_run() {
  static Run run;
  return run;
}

void run_mpi(const Options& options, const Body& body) {
  the_run().between_tests->run(host(), Barrier{});
  body(*the_run().world->communicator(options));
}

BackEnd mpi() {
  return {"mpi", the_run().world->facts().size, run_mpi};
}

// InitGoogleTest evaluates this after the world was made.
INSTANTIATE_TEST_SUITE_P(Mpi, Conformance, testing::Values(mpi()));

TEST(Mpi, KnowsThePlacesOfTheRanks) {
  const MpiFacts& facts = the_run().world->facts();
  EXPECT_EQ(facts.local_rank, facts.rank);
  EXPECT_EQ(facts.local_size, facts.size);
  EXPECT_EQ(facts.nodes,
            std::vector<int>(static_cast<std::size_t>(facts.size), 0));
  EXPECT_NE(mpi_library(), "");
}

// Compares what an operation writes on this rank by the algorithm and by MPI
// itself, if the algorithm has a plan for it.
template <typename MakeOp>
void compare(Communicator& comm,
             Algorithm algorithm,
             DType dtype,
             std::int64_t y_elements,
             const MakeOp& make_op) {
  Elements planned = Elements::blank(dtype, y_elements);
  auto op = make_op(planned.tensor());
  op.how.algorithm = algorithm;
  if (!comm.supports(op)) {
    return;
  }
  comm.run(host(), op);
  Elements direct = Elements::blank(dtype, y_elements);
  auto same = make_op(direct.tensor());
  same.how.algorithm = Algorithm::kDirect;
  comm.run(host(), same);
  EXPECT_EQ(planned.values(), direct.values())
      << name_of(algorithm) << " of " << y_elements << " " << name_of(dtype);
}

void compare_all(Communicator& comm,
                 Algorithm algorithm,
                 DType dtype,
                 std::int64_t n) {
  const int root = comm.size() - 1;
  const std::int64_t mine = even_counts(n, comm.size())[comm.rank()];
  std::vector<double> values(static_cast<std::size_t>(n));
  std::iota(values.begin(), values.end(), comm.rank());
  for (double& value : values) {  // small, so that every order gives one sum
    value = static_cast<double>(static_cast<int>(value) % 7);
  }
  Elements whole(dtype, values);
  const Tensor x = whole.tensor();
  const Tensor part = whole.part(0, mine);
  const auto each = [&](std::int64_t y_elements, const auto& make_op) {
    compare(comm, algorithm, dtype, y_elements, make_op);
  };
  each(n, [&](const Tensor& y) { return AllReduce{.y = y, .x = x}; });
  each(n,
       [&](const Tensor& y) { return Reduce{.y = y, .x = x, .root = root}; });
  each(n, [&](const Tensor& y) { return AllGather{.y = y, .x = part}; });
  each(mine, [&](const Tensor& y) { return ReduceScatter{.y = y, .x = x}; });
  each(mine * comm.size(),
       [&](const Tensor& y) { return AllToAll{.y = y, .x = x}; });
  each(n, [&](const Tensor& y) {
    std::memcpy(y.bytes(), x.bytes(), x.size_bytes());
    return Broadcast{.x = y, .root = root};
  });
  const Counts counts = even_counts(n, comm.size());
  each(mine, [&](const Tensor& y) {
    return Scatter{.y = y, .x = x, .root = root, .counts = counts};
  });
  each(n, [&](const Tensor& y) {
    return Gather{.y = y, .x = part, .root = root, .counts = counts};
  });
}

TEST(Mpi, EveryAlgorithmGivesWhatMpiGives) {
  run_mpi({}, [](Communicator& comm) {
    for (const Algorithm algorithm : {Algorithm::kRoot,
                                      Algorithm::kAllToAll,
                                      Algorithm::kRing,
                                      Algorithm::kChain,
                                      Algorithm::kHalvingDoubling,
                                      Algorithm::kTree}) {
      Elements x(DType::kF32, {1.0});
      ASSERT_TRUE(comm.supports(AllReduce{
          .y = x.tensor(), .x = x.tensor(), .how = {.algorithm = algorithm}}));
      for (const DType dtype : {DType::kF32, DType::kBf16, DType::kI64}) {
        for (const std::int64_t n : {0, 1, 5, 1031, 300'000}) {
          compare_all(comm, algorithm, dtype, n);
        }
      }
    }
  });
}

// The rank neither waits nor asks, so the engine's thread does it all.
TEST(Mpi, StartedCollectivesEndWhileTheRankIsBusy) {
  run_mpi({}, [](Communicator& comm) {
    std::vector<float> x(1'000'000, 1.0F);
    const Tensor tensor(x.data(), {1'000'000});
    for (const SumOrder sums : {SumOrder::kFast, SumOrder::kRanked}) {
      std::fill(x.begin(), x.end(), 1.0F);
      comm.run(host(), Barrier{});
      const Work work = comm.start(
          host(), AllReduce{.y = tensor, .x = tensor, .how = {.sums = sums}});
      std::this_thread::sleep_for(std::chrono::seconds(1));
      work.wait(host());
      // Four ranks on a busy machine with two cores need tens of milliseconds.
      EXPECT_LT(work.elapsed_seconds(), 0.9);
      EXPECT_EQ(x.back(), static_cast<float>(comm.size()));
    }
  });
}

// The order does not matter, as more is in flight than MPI sends eagerly.
TEST(Mpi, LargeMessagesCrossWhileCollectivesRun) {
  run_mpi({}, [](Communicator& comm) {
    constexpr std::int64_t kElements = 1'000'000;
    const auto elements = static_cast<std::size_t>(kElements);
    std::vector<float> mine(elements, static_cast<float>(comm.rank()));
    std::vector<float> theirs(elements);
    std::vector<double> x(elements, 1.0);
    const int next = (comm.rank() + 1) % comm.size();
    const int before = (comm.rank() + comm.size() - 1) % comm.size();
    const Work send = comm.start(
        host(),
        Send{.x = Tensor(mine.data(), {kElements}), .to = next, .tag = 3});
    const Tensor tensor(x.data(), {kElements});
    const Work reduce = comm.start(host(), AllReduce{.y = tensor, .x = tensor});
    comm.run(
        host(),
        Recv{
            .y = Tensor(theirs.data(), {kElements}), .from = before, .tag = 3});
    reduce.wait(host());
    send.wait(host());
    EXPECT_EQ(theirs.back(), static_cast<float>(before));
    EXPECT_EQ(x.front(), comm.size());
  });
}

TEST(Mpi, AMessageThatDoesNotFitIsAnError) {
  run_mpi({}, [](Communicator& comm) {
    for (const std::int64_t length : {3, 5}) {
      std::vector<float> x(10);
      const Message both[] = {
          Send{.x = Tensor(x.data(), {length}), .to = comm.rank()},
          Recv{.y = Tensor(x.data() + 5, {4}), .from = comm.rank()}};
      EXPECT_THROW(comm.start_messages(host(), both).wait(host()), Mismatch);
    }
  });
}

// Ranks other than 0 print failures only.
class Failures final : public testing::EmptyTestEventListener {
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (result.failed()) {
      std::printf("rank %d: %s:%d: %s\n",
                  the_run().world->facts().rank,
                  result.file_name(),
                  result.line_number(),
                  result.message());
    }
  }
};

int run_tests(int argc, char** argv) {
  const bool funneled = argc > 1 && std::strcmp(argv[1], "--funneled") == 0;
  Run& run = the_run();
  run.world = std::make_unique<MpiWorld>(funneled ? MpiThreads::kFunneled
                                                  : MpiThreads::kSerialized);
  run.between_tests = run.world->communicator({.timeout_seconds = 120});
  testing::InitGoogleTest(&argc, argv);
  if (run.world->facts().rank != 0) {
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new Failures);
  }
  const int status = RUN_ALL_TESTS();
  run.between_tests.reset();
  run.world->finish();
  return status;
}

}  // namespace
}  // namespace dure::comm

int main(int argc, char** argv) {
  try {
    return dure::comm::run_tests(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    dure::comm::the_run().world->abort(error.what(), 1);
  }
}
