#include "dure/parallel/pipeline/executor.h"

#include <cmath>
#include <fmt/core.h>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/comm/groups.h"
#include "dure/launch/run_ranks.h"
#include "dure/parallel/pipeline/replay.h"

namespace dure::parallel {
namespace {

constexpr StreamName kResidual = StreamName::kResidual;
constexpr StreamName kEncoder = StreamName::kEncoder;

// The rows are no multiples of the tensor ranks.
std::int64_t rows_of(StreamName name) {
  return name == kResidual ? 5 : 7;
}
std::int64_t columns_of(StreamName name) {
  return name == kResidual ? 3 : 2;
}

Boundaries boundaries_of(const ScheduleOptions& options) {
  std::vector<StreamSpec> streams;
  for (const StreamName name : {kResidual, kEncoder}) {
    streams.push_back({name, columns_of(name), DType::kF32});
  }
  return Boundaries(
      static_cast<std::size_t>(options.ranks * options.chunks - 1), streams);
}

// A model whose stage s turns x into 2 x + s, starting from micro-batch m's
// number. Each stage doubles the gradient in the backward. All stages read a
// second stream, -m, and add 1 to its gradient.
class Doubling final : public StageModule {
 public:
  Doubling(Arena& arena, const ScheduleOptions& options, int rank)
      : arena_(arena), options_(options), rank_(rank) {}

  std::int64_t rows(int /*micro_batch*/, StreamName name) const override {
    return rows_of(name);
  }

  Streams forward(int chunk, int micro_batch, Streams streams) override {
    const int stage = stage_of(options_, rank_, chunk);
    OwnedTensor& x = streams[kResidual];
    if (stage == 0) {
      x = filled(kResidual, static_cast<float>(micro_batch));
      streams[kEncoder] = filled(kEncoder, static_cast<float>(-micro_batch));
    }
    record(Pass::kForward, chunk, micro_batch);
    check_alike(streams[kEncoder]);
    EXPECT_EQ(streams[kEncoder].data<float>()[0], -micro_batch);
    for_each(
        x, [&](float value) { return 2 * value + static_cast<float>(stage); });
    ++held_;
    most_held_ = std::max(most_held_, held_);
    if (stage == stages() - 1) {
      results.push_back(x.data<float>()[0]);
      check_alike(x);
      return {};
    }
    return streams;
  }

  Streams backward(int chunk, int micro_batch, Streams d) override {
    record(Pass::kBackward, chunk, micro_batch);
    --held_;
    return pass_back(chunk, micro_batch, std::move(d));
  }
  Streams backward_input(int chunk, int micro_batch, Streams d) override {
    record(Pass::kInputGradient, chunk, micro_batch);
    return pass_back(chunk, micro_batch, std::move(d));
  }
  void backward_weights(int chunk, int micro_batch) override {
    record(Pass::kWeightGradient, chunk, micro_batch);
    --held_;
  }

  int most_held() const { return most_held_; }

  std::vector<float> results;    // of the last stage
  std::vector<float> gradients;  // of the first
  Program done;

 private:
  int stages() const { return options_.ranks * options_.chunks; }

  void record(Pass pass, int chunk, int micro_batch) {
    done.push_back({pass, chunk, micro_batch});
  }

  OwnedTensor filled(StreamName name, float value) {
    OwnedTensor x = arena_.tensor(
        {rows_of(name), columns_of(name)}, Category::kActivations, DType::kF32);
    for_each(x, [&](float /*old*/) { return value; });
    return x;
  }

  template <typename Function>
  void for_each(Tensor x, const Function& function) {
    for (std::int64_t i = 0; i < x.elements(); ++i) {
      x.data<float>()[i] = function(x.data<float>()[i]);
    }
  }

  // Checks that all rows have come, whichever tensor rank sent them.
  void check_alike(ConstTensor x) {
    for (std::int64_t i = 0; i < x.elements(); ++i) {
      EXPECT_EQ(x.data<float>()[i], x.data<float>()[0]);
    }
  }

  Streams pass_back(int chunk, int micro_batch, Streams gradients_of) {
    const int stage = stage_of(options_, rank_, chunk);
    OwnedTensor& d = gradients_of[kResidual];
    OwnedTensor& d_encoder = gradients_of[kEncoder];
    if (stage == stages() - 1) {
      d = filled(kResidual, static_cast<float>(1 + micro_batch));
      d_encoder = filled(kEncoder, 0);
    }
    for_each(d, [&](float value) { return 2 * value; });
    for_each(d_encoder, [](float value) { return value + 1; });
    if (stage == 0) {
      gradients.push_back(d.data<float>()[0]);
      check_alike(d);
      EXPECT_EQ(d_encoder.data<float>()[0], stages());
      return {};
    }
    return gradients_of;
  }

  Arena& arena_;
  ScheduleOptions options_;
  int rank_;
  int held_ = 0;
  int most_held_ = 0;
};

// The last stage's result for a micro-batch.
float expected(int stages, int micro_batch) {
  auto value = static_cast<float>(micro_batch);
  for (int stage = 0; stage < stages; ++stage) {
    value = 2 * value + static_cast<float>(stage);
  }
  return value;
}

std::uint64_t bytes_sent(const comm::Communicator& world) {
  const auto axes = world.traffic().by_axis();
  const auto pipe = axes.find("pipe");
  return pipe == axes.end()
             ? 0
             : pipe->second[static_cast<std::size_t>(comm::Kind::kSend)].bytes;
}

// The number of streams that leave the rank.
std::uint64_t messages_of(const ScheduleOptions& options,
                          const Program& program,
                          int rank) {
  const int last = options.ranks * options.chunks - 1;
  std::uint64_t count = 0;
  for (const Action& action : program) {
    const int stage = stage_of(options, rank, action.chunk);
    const bool forward = action.pass == Pass::kForward;
    const int next = forward ? stage + 1 : stage - 1;
    if (action.pass != Pass::kWeightGradient && next >= 0 && next <= last &&
        place_of(options, next).rank != rank) {
      ++count;
    }
  }
  return count;
}

// The bytes of a micro-batch's streams that this tensor rank sends.
std::uint64_t bytes_of_streams(const comm::Communicator& tensor) {
  std::int64_t elements = 0;
  for (const StreamName name : {kResidual, kEncoder}) {
    const comm::Counts rows = comm::even_counts(rows_of(name), tensor.size());
    elements +=
        rows[static_cast<std::size_t>(tensor.rank())] * columns_of(name);
  }
  return static_cast<std::uint64_t>(elements) * sizeof(float);
}

void run_and_check(const ScheduleOptions& options, int tensor_ranks) {
  const int ranks = options.ranks * tensor_ranks;
  const Replay replayed = replay(options);
  launch::run_ranks({.ranks = ranks}, [&](comm::Communicator& world) {
    std::vector<std::vector<int>> pipes(tensor_ranks);
    std::vector<std::vector<int>> tensors(options.ranks);
    for (int r = 0; r < ranks; ++r) {
      pipes[r % tensor_ranks].push_back(r);
      tensors[r / tensor_ranks].push_back(r);
    }
    const auto pipe = my_group(world, pipes, "pipe");
    const auto tensor = my_group(world, tensors, "tensor");
    Stream stream(Device::kCpu);
    Arena arena(stream);
    Executor executor(
        {.stream = &stream,
         .arena = &arena,
         .ranks = pipe.get(),
         .tensor = {.stream = &stream, .arena = &arena, .ranks = tensor.get()}},
        options,
        boundaries_of(options));
    Doubling work(arena, options, pipe->rank());
    const Program program = program_of(options, pipe->rank());
    executor.run(program, work);
    EXPECT_EQ(work.done, program);
    EXPECT_EQ(work.most_held(), replayed.peak_in_flight[pipe->rank()]);
    const int stages = options.ranks * options.chunks;
    if (place_of(options, stages - 1).rank == pipe->rank()) {
      ASSERT_EQ(work.results.size(), options.micro_batches);
      for (int m = 0; m < options.micro_batches; ++m) {
        EXPECT_EQ(work.results[m], expected(stages, m));
      }
    }
    if (pipe->rank() == 0) {
      ASSERT_EQ(work.gradients.size(), options.micro_batches);
      for (int m = 0; m < options.micro_batches; ++m) {
        EXPECT_EQ(work.gradients[m],
                  std::ldexp(static_cast<float>(1 + m), stages));
      }
    }
    EXPECT_EQ(arena.ledger().current(), 0);
    EXPECT_EQ(bytes_sent(world),
              messages_of(options, program, pipe->rank()) *
                  bytes_of_streams(*tensor));
  });
}

TEST(Executor, RunsEveryScheduleThatFlushes) {
  for (const auto& [name, kind] : schedules()) {
    if (!is_synchronous(kind)) {
      continue;
    }
    const int chunks =
        kind == ScheduleKind::kInterleaved || kind == ScheduleKind::kZbV ? 2
                                                                         : 1;
    for (const int stages : {1, 2, 4}) {
      for (const int rounds : {1, 2}) {
        const ScheduleOptions options = {.kind = kind,
                                         .ranks = stages,
                                         .micro_batches = rounds * stages,
                                         .chunks = chunks};
        SCOPED_TRACE(fmt::format("{} {} x {}", name, stages, rounds));
        run_and_check(options, 1);
      }
    }
  }
}

TEST(Executor, TensorRanksSendAPartOfTheRowsEach) {
  const ScheduleOptions options = {.ranks = 2, .micro_batches = 4};
  run_and_check(options, 2);
  run_and_check(
      {.kind = ScheduleKind::kZbV, .ranks = 2, .micro_batches = 4, .chunks = 2},
      4);
}

TEST(Executor, RefusesAnAxisOfOtherRanks) {
  launch::run_ranks({.ranks = 2}, [&](comm::Communicator& world) {
    Stream stream(Device::kCpu);
    Arena arena(stream);
    const PipeAxis axis = {
        .stream = &stream, .arena = &arena, .ranks = &world, .tensor = {}};
    EXPECT_THROW(Executor(axis, {.ranks = 3}, Boundaries(2)), Error);
    EXPECT_THROW(Executor(axis, {.ranks = 2}, Boundaries(2)), Error);
  });
}

}  // namespace
}  // namespace dure::parallel
