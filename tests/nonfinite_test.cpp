// A value that is not finite on one rank of pipe x data x tensor: all ranks
// report the same and leave the weights as they are, or, if such steps are to
// be skipped, all skip it.
#include <algorithm>
#include <cstring>
#include <fmt/core.h>
#include <functional>
#include <gmock/gmock.h>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/launch/run_ranks.h"
#include "dure/parallel/data/shards_testing.h"
#include "dure/train/options.h"
#include "dure/train/trainer.h"
#include "tests/layout.h"
#include "tests/small_run.h"

namespace dure {
namespace {

using parallel::ScheduleKind;
using testing::Each;
using testing::HasSubstr;
using train::Config;
using train::Rank;
using train::Trainer;

struct Fill {
  std::string_view weights;  // the beginning of their names
  float value;
};

struct Poison {
  const char* name;
  std::vector<Fill> fills;
  const char* said;
};

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

const Poison kPoisons[] = {
    {"first stage",
     {{"blocks.0.mlp.down.weight", kNan}},
     "the gradient of embedding.token.weight is not finite (loss nan)"},
    {"last stage",
     {{"final_norm.weight", kNan}},
     "the gradient of embedding.token.weight is not finite (loss nan)"},
    // The products are 0, but their gradients are beyond a float: no rank of
    // another stage sees it, nor does the other tensor rank.
    {"gradient",
     {{"blocks.0.norm2.weight", 1e30F},
      {"blocks.0.mlp.up", 0},
      {"blocks.0.mlp.down.weight", 1e30F}},
     "the gradient of blocks.0.mlp.up.weight is not finite (loss 5."}};

// The bits of a rank's shards, so that NaNs compare equal, too.
std::vector<std::uint32_t> kept_bits(Trainer& trainer) {
  trainer.rank_model().store().wait();
  std::vector<std::uint32_t> bits;
  for (const parallel::Shard& shard :
       weights_of(trainer.rank_model().store())) {
    const auto first = std::ssize(bits);
    const auto count = static_cast<std::size_t>(shard.values.elements());
    bits.resize(bits.size() + count);
    std::memcpy(
        &bits[first], shard.values.data<float>(), count * sizeof(float));
  }
  return bits;
}

void put_back(Trainer& trainer, const std::vector<std::uint32_t>& bits) {
  const std::uint32_t* from = bits.data();
  for (const parallel::Shard& shard :
       weights_of(trainer.rank_model().store())) {
    const auto count = static_cast<std::size_t>(shard.values.elements());
    std::memcpy(shard.values.data<float>(), from, count * sizeof(float));
    from += count;
  }
  trainer.rank_model().store().all_gather();
}

// Poisons the second tensor rank's part. Replicas without ZeRO may drift, so
// only one of them gets it.
void put_in(Rank& rank, Trainer& trainer, const Poison& poison) {
  train::RankModel& rank_model = trainer.rank_model();
  rank_model.store().wait();
  const bool here = rank.tensor().ranks->rank() == 1 &&
                    (rank.group(mesh::kReplicas).rank() == 1 ||
                     trainer.config().parallel.zero > 0);
  for (const parallel::Shard& shard : weights_of(rank_model.store())) {
    const std::string_view name = rank_model.parameters()[shard.weight].name;
    for (const Fill& fill : poison.fills) {
      if (here && name.starts_with(fill.weights)) {
        std::fill_n(
            shard.values.data<float>(), shard.values.elements(), fill.value);
      }
    }
  }
  rank_model.store().all_gather();
}

// The function's text on each rank.
using Said = std::function<std::string(Rank&)>;
std::vector<std::string> on_ranks(const Config& config, const Said& function) {
  std::vector<std::string> said(
      static_cast<std::size_t>(train::ranks_of(config.parallel)));
  // Ranks that disagree would wait for each other in vain.
  launch::run_ranks(
      {.ranks = static_cast<int>(said.size()), .comm = {.timeout_seconds = 20}},
      [&](comm::Communicator& world) {
        train::RankOptions options = train::rank_options(config);
        options.world = &world;
        Rank rank(options);
        said[static_cast<std::size_t>(world.rank())] = function(rank);
      });
  return said;
}

// The error of the second step, which has poisoned weights.
std::string stopped(Rank& rank, const Config& config, const Poison& poison) {
  Trainer trainer(rank, config);
  trainer.step(small_data());
  put_in(rank, trainer, poison);
  const std::vector<std::uint32_t> before = kept_bits(trainer);
  std::string said;
  try {
    trainer.step(small_data());
  } catch (const Error& error) {
    said = error.what();
  }
  EXPECT_TRUE(kept_bits(trainer) == before);
  EXPECT_EQ(trainer.position().step, 1);
  return said;
}

// Goes on like a trainer that skips the step's samples; returns why it skipped.
std::string skipped(Rank& rank, const Config& config, const Poison& poison) {
  Trainer trainer(rank, config);
  Trainer other(rank, config);
  trainer.step(small_data());
  other.step(small_data());
  const std::vector<std::uint32_t> good = kept_bits(trainer);
  put_in(rank, trainer, poison);
  const std::vector<std::uint32_t> before = kept_bits(trainer);
  const train::StepResult step = trainer.step(small_data());
  EXPECT_TRUE(kept_bits(trainer) == before);
  put_back(trainer, good);
  const std::int64_t batch = config.train.global_batch;
  other.set_position({.step = 2, .updates = 1, .consumed = 2 * batch});
  EXPECT_EQ(trainer.position(), other.position());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(trainer.step(small_data()).loss, other.step(small_data()).loss);
  }
  EXPECT_TRUE(kept_bits(trainer) == kept_bits(other));
  return fmt::format(
      "{}, loss {:g}", step.skipped.value_or("nothing"), step.loss);
}

class NonFinite : public testing::TestWithParam<ScheduleKind> {
 protected:
  // Calls function(configuration, poison).
  template <typename Function>
  void for_each_poison(Function&& function) const {
    for (const std::int64_t zero : {0, 1, 2, 3}) {
      const Layout layout = {.pipe = 2,
                             .data = 2,
                             .tensor = 2,
                             .zero = zero,
                             .schedule = GetParam(),
                             .micro_batches = 2};
      for (const Poison& poison : kPoisons) {
        SCOPED_TRACE(fmt::format("{}, {}", poison.name, text(layout)));
        Config config = small_gpt();
        config.model.layers = 4;
        config.model.vocabulary = 200;  // each tensor rank has some
        config.parallel.sums = comm::SumOrder::kRanked;
        function(configured(config, layout), poison);
      }
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Schedules,
                         NonFinite,
                         testing::Values(ScheduleKind::k1F1B,
                                         ScheduleKind::kZbV),
                         [](const auto& schedule) {
                           return std::string(
                               schedule.param == ScheduleKind::k1F1B ? "1F1B"
                                                                     : "ZbV");
                         });

TEST_P(NonFinite, StopsAllRanksWithTheSameWords) {
  for_each_poison([](const Config& config, const Poison& poison) {
    const std::vector<std::string> said = on_ranks(
        config, [&](Rank& rank) { return stopped(rank, config, poison); });
    EXPECT_THAT(said[0], HasSubstr(fmt::format("step 2: {}", poison.said)));
    EXPECT_THAT(said, Each(said[0]));
  });
}

TEST_P(NonFinite, IsSkippedByAllRanks) {
  for_each_poison([](Config config, const Poison& poison) {
    config.train.on_nonfinite = train::OnNonfinite::kSkip;
    const std::vector<std::string> said = on_ranks(
        config, [&](Rank& rank) { return skipped(rank, config, poison); });
    EXPECT_THAT(said[0], HasSubstr("the gradient of "));
    EXPECT_THAT(said, Each(said[0]));
  });
}

}  // namespace
}  // namespace dure
