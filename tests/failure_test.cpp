// A rank that fails in the middle of a pipeline's program ends the others at
// once, with its own message, although each has messages in flight that the
// others will not answer any more.
#include <chrono>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <stdexcept>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/launch/run_ranks.h"
#include "dure/parallel/pipeline/executor.h"
#include "dure/train/rank.h"

namespace dure {
namespace {

using parallel::ScheduleKind;
using parallel::ScheduleOptions;
using parallel::Streams;
using testing::HasSubstr;

constexpr std::int64_t kRows = 6;
constexpr std::int64_t kColumns = 4;

parallel::Boundaries boundaries_of(const ScheduleOptions& options) {
  const std::vector<parallel::StreamSpec> residual = {
      {.columns = kColumns, .dtype = DType::kF32}};
  return parallel::Boundaries(
      static_cast<std::size_t>(options.ranks * options.chunks - 1), residual);
}

// Passes streams on; one rank fails in the middle of its work.
class Failing final : public parallel::StageModule {
 public:
  Failing(train::Rank& rank, int failing_rank)
      : rank_(rank), fails_(rank.world().rank() == failing_rank) {}

  std::int64_t rows(int /*micro_batch*/,
                    parallel::StreamName /*stream*/) const override {
    return kRows;
  }

  Streams forward(int /*chunk*/, int micro_batch, Streams x) override {
    if (fails_ && micro_batch == 5) {
      throw UsageError("sample 5 is beyond reading");
    }
    return on(std::move(x));
  }

  Streams backward(int /*chunk*/, int, Streams d_y) override {
    return on(std::move(d_y));
  }

 private:
  Streams on(Streams streams) {
    OwnedTensor& x = streams[parallel::StreamName::kResidual];
    if (x.elements() == 0) {
      x = rank_.arena.tensor(
          {kRows, kColumns}, Category::kActivations, DType::kF32);
    }
    return streams;
  }

  train::Rank& rank_;
  bool fails_;
};

struct Case {
  std::string name;
  ScheduleKind schedule;
  mesh::Mesh::Sizes sizes;
  int rank;  // the one that fails
};

struct Failure : testing::TestWithParam<Case> {};

TEST_P(Failure, EndsAllRanksAtOnceWithItsOwnWords) {
  const Case& c = GetParam();
  const mesh::Mesh mesh(c.sizes);
  const ScheduleOptions options = {
      .kind = c.schedule, .ranks = c.sizes.pipe, .micro_batches = 12};
  const auto start = std::chrono::steady_clock::now();
  try {
    launch::run_ranks({.ranks = mesh.size()}, [&](comm::Communicator& world) {
      train::Rank rank({.world = &world, .mesh = mesh});
      Failing work(rank, c.rank);
      parallel::Executor executor({.stream = &rank.stream,
                                   .arena = &rank.arena,
                                   .ranks = &rank.group(mesh::kStages),
                                   .tensor = rank.tensor()},
                                  options,
                                  boundaries_of(options));
      executor.run(program_of(options, rank.group(mesh::kStages).rank()), work);
    });
    FAIL() << "nothing thrown";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(),
                HasSubstr(fmt::format("rank {}: sample 5 is beyond", c.rank)));
  }
  // The timeout is 600; a busy machine takes a second for the threads.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

INSTANTIATE_TEST_SUITE_P(
    Pipelines,
    Failure,
    testing::Values(Case{"FirstOf1F1B", ScheduleKind::k1F1B, {.pipe = 4}, 0},
                    Case{"MiddleOf1F1B", ScheduleKind::k1F1B, {.pipe = 4}, 2},
                    Case{"LastOf1F1B", ScheduleKind::k1F1B, {.pipe = 4}, 3},
                    Case{"MiddleOfGpipe", ScheduleKind::kGpipe, {.pipe = 4}, 1},
                    Case{"LastOfGpipe", ScheduleKind::kGpipe, {.pipe = 4}, 3},
                    Case{"WithTensorRanks",
                         ScheduleKind::k1F1B,
                         {.pipe = 2, .data = 2, .tensor = 2},
                         5}),
    [](const auto& failing) { return failing.param.name; });

}  // namespace
}  // namespace dure
