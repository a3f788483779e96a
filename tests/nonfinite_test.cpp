// What is not finite on one rank of pipe x data x tensor: all of them say the
// same and leave the weights as they are; where such steps are to be skipped,
// they all skip it.
#include <algorithm>
#include <cstring>
#include <functional>
#include <gmock/gmock.h>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/launch/run_ranks.h"
#include "dure/parallel/zero/shards_testing.h"
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
  std::string_view weights;  // whose names begin so
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
    // The products are 0, but what their gradients are is beyond a float: no
    // rank of another stage sees it, nor does the other tensor rank.
    {"gradient",
     {{"blocks.0.norm2.weight", 1e30F},
      {"blocks.0.mlp.up", 0},
      {"blocks.0.mlp.down.weight", 1e30F}},
     "the gradient of blocks.0.mlp.up.weight is not finite (loss 5."}};

// What a rank keeps: bits, as NaNs are to be the same, too.
std::vector<std::uint32_t> kept_bits(Trainer& trainer) {
  trainer.replica().store().settle();
  std::vector<std::uint32_t> bits;
  for (const parallel::Shard& shard : weights_of(trainer.replica().store())) {
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
  for (const parallel::Shard& shard : weights_of(trainer.replica().store())) {
    const auto count = static_cast<std::size_t>(shard.values.elements());
    std::memcpy(shard.values.data<float>(), from, count * sizeof(float));
    from += count;
  }
  trainer.replica().store().publish();
}

// Of the second tensor rank's part. Replicas without ZeRO drift: there only one
// of them gets it.
void put_in(Rank& rank, Trainer& trainer, const Poison& poison) {
  train::Replica& replica = trainer.replica();
  replica.store().settle();
  const bool here = rank.tensor().ranks->rank() == 1 &&
                    (rank.group(mesh::kReplicas).rank() == 1 ||
                     trainer.config().parallel.zero > 0);
  for (const parallel::Shard& shard : weights_of(replica.store())) {
    const std::string_view name = replica.parameters()[shard.weight].name;
    for (const Fill& fill : poison.fills) {
      if (here && name.starts_with(fill.weights)) {
        std::fill_n(
            shard.values.data<float>(), shard.values.elements(), fill.value);
      }
    }
  }
  replica.store().publish();
}

// By rank: what the function says there.
using Said = std::function<std::string(Rank&)>;
std::vector<std::string> on_ranks(const Config& config, const Said& function) {
  std::vector<std::string> said(
      static_cast<std::size_t>(train::ranks_of(config.parallel)));
  // Ranks that are not of one mind wait for each other in vain.
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

// The second step is of poisoned weights: what it throws.
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

// Goes on as a trainer that jumps over the step's samples: what it left out.
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
  return concat(step.skipped.value_or("nothing"), ", loss ", step.loss);
}

class NonFinite : public testing::TestWithParam<ScheduleKind> {
 protected:
  // function(configuration, poison)
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
        SCOPED_TRACE(concat(poison.name, ", ", text(layout)));
        Config config = small_gpt();
        config.model.layers = 4;
        config.model.vocabulary = 200;  // of which either tensor rank has some
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
    EXPECT_THAT(said[0], HasSubstr(concat("step 2: ", poison.said)));
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
