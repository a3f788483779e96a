// The communication and memory of tensor ranks are as published: measured by
// the communicator and the ledger in real steps on threads.
#include <fmt/core.h>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/launch/run_ranks.h"
#include "dure/model/count.h"
#include "dure/plan/predict.h"
#include "dure/train/options.h"
#include "dure/train/trainer.h"
#include "tests/small_run.h"

namespace dure {
namespace {

mesh::Place tensor_ranks(std::int64_t count) {
  return mesh::Place().with(mesh::Axis::kTensor, {.count = count});
}

using comm::Kind;
using train::Config;
using train::Rank;
using train::Trainer;

constexpr std::int64_t kRows = 2 * 16;  // of a micro-batch: N

Config configured(Config config, std::int64_t tensor, bool sequence) {
  config.train.global_batch = 2;
  config.train.micro_batch = 2;
  config.parallel.data = 1;
  config.parallel.tensor = tensor;
  config.parallel.sequence = sequence;
  return train::resolve(config);
}

// Calls function(rank, trainer) on every rank.
template <typename Function>
void on_ranks(const Config& config, Function&& function) {
  const auto ranks = static_cast<int>(config.parallel.tensor);
  launch::run_ranks({.ranks = ranks}, [&](comm::Communicator& world) {
    train::RankOptions options = train::rank_options(config);
    options.world = &world;
    Rank rank(options);
    Trainer trainer(rank, config);
    function(rank, trainer);
  });
}

// The traffic of the first rank's second step, along the tensor axis.
comm::Traffic::Count counted(const Config& config, Kind kind) {
  comm::Traffic::Count count;
  on_ranks(config, [&](Rank& rank, Trainer& trainer) {
    trainer.step(small_data());
    const comm::Traffic::Count before =
        rank.world().traffic().of("tensor", kind);
    trainer.step(small_data());
    if (rank.is_first()) {
      const comm::Traffic::Count after =
          rank.world().traffic().of("tensor", kind);
      count = {.calls = after.calls - before.calls,
               .bytes = after.bytes - before.bytes};
    }
  });
  return count;
}

// The cost of one more block.
comm::Traffic::Count of_a_block(Config config, Kind kind) {
  const comm::Traffic::Count without = counted(config, kind);
  ++config.model.layers;
  const comm::Traffic::Count with = counted(config, kind);
  return {.calls = with.calls - without.calls,
          .bytes = with.bytes - without.bytes};
}

TEST(TensorTraffic, IsTwoAllReducesForwardAndTwoBackwardABlock) {
  for (const std::int64_t tensor : {2, 4}) {
    const Config config = configured(small_gpt(), tensor, false);
    const comm::Traffic::Count count = of_a_block(config, Kind::kAllReduce);
    EXPECT_EQ(count.calls, 4U);
    EXPECT_EQ(count.bytes,
              4 * sizeof(float) *
                  static_cast<std::size_t>(kRows * config.model.hidden));
    EXPECT_EQ(of_a_block(config, Kind::kAllGather).calls, 0U);
  }
}

// There are two more all-gathers, of rows that are not saved for the backward.
// The all-reduces are for the replicated weights: the norms' four and two
// biases.
TEST(TensorTraffic, IsTheirTwoHalvesWhereRowsAreCut) {
  const Config config = configured(small_gpt(), 2, true);
  const comm::Traffic::Count scattered =
      of_a_block(config, Kind::kReduceScatter);
  const comm::Traffic::Count gathered = of_a_block(config, Kind::kAllGather);
  const std::size_t rows =
      sizeof(float) * static_cast<std::size_t>(kRows * config.model.hidden);
  EXPECT_EQ(scattered.calls, 4U);
  EXPECT_EQ(scattered.bytes, 4 * rows);
  EXPECT_EQ(gathered.calls, 4U + 2U);
  EXPECT_EQ(gathered.bytes, 6 * rows);
  EXPECT_EQ(of_a_block(config, Kind::kAllReduce).calls, 6U);
}

// The loss of N rows needs a largest logit and two sums for each.
TEST(TensorTraffic, OfTheHeadDoesNotGrowWithTheVocabulary) {
  Config config = configured(small_gpt(), 2, false);
  const comm::Traffic::Count small = counted(config, Kind::kAllReduce);
  config.model.vocabulary = 5000;
  const comm::Traffic::Count large = counted(config, Kind::kAllReduce);
  EXPECT_EQ(small.calls, large.calls);
  EXPECT_EQ(small.bytes, large.bytes);
}

// The oracle is Megatron-LM's log of GPT 24 x 1024 at tensor size 4.
TEST(TensorMemory, OfAPublishedModelIsTheSameOnEveryRank) {
  model::ModelConfig config = model::resolve({.layers = 24,
                                              .hidden = 1024,
                                              .heads = 16,
                                              .vocabulary = 50257,
                                              .max_sequence = 1024});
  EXPECT_EQ(model::count(config, tensor_ranks(4)).per_rank, 89'714'688);
  EXPECT_EQ(model::count(config, tensor_ranks(1)).per_rank, 354'871'296);
}

TEST(TensorMemory, IsAsPredicted) {
  for (const bool sequence : {false, true}) {
    for (const std::int64_t tensor : {2, 4}) {
      SCOPED_TRACE(
          fmt::format("tensor {}{}", tensor, sequence ? ", rows cut" : ""));
      const Config config = configured(small_gpt(), tensor, sequence);
      plan::MemoryPrediction predicted;
      on_ranks(config, [&](Rank& rank, Trainer& trainer) {
        if (rank.is_first()) {
          Config planned = config;
          planned.train.threads = rank.world().options().threads;
          predicted = plan::predict_memory(planned);
        }
        rank.world().run(rank.stream, comm::Barrier{});
        trainer.step(small_data());
        trainer.step(small_data());
        for (std::size_t c = 0; c < kCategories; ++c) {
          const auto category = static_cast<Category>(c);
          EXPECT_EQ(rank.arena.ledger().peak(category), predicted.peak_bytes[c])
              << name_of(category);
        }
      });
    }
  }
}

// Parameters are cut, and with rows cut so are all activations of a block.
TEST(TensorMemory, OfBlocksIsATthWhereRowsAreCut) {
  const auto activations = [](std::int64_t tensor, bool sequence) {
    std::size_t bytes = 0;
    on_ranks(configured(small_gpt(), tensor, sequence),
             [&](Rank& rank, Trainer& trainer) {
               trainer.step(small_data());
               if (rank.is_first()) {
                 bytes = rank.arena.ledger().peak(Category::kActivations);
               }
             });
    return static_cast<double>(bytes);
  };
  const double one = activations(1, false);
  EXPECT_GT(activations(4, false), one / 4);
  // The inputs of a micro-batch, ids and losses, are on every rank.
  EXPECT_NEAR(activations(4, true), one / 4, 0.02 * one);
}

}  // namespace
}  // namespace dure
