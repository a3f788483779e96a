// Compares every norm, with and without a bias, on layouts of ranks with one
// rank: bit for bit with ranked sums; on tensor ranks within docs/numerics.md's
// bound. Evaluation and generation are compared with training.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/infer/generator.h"
#include "dure/nn/norms.h"
#include "dure/train/options.h"
#include "tests/parity_run.h"

namespace dure {
namespace {

using train::Config;

constexpr int kSteps = 8;

struct Part {
  std::string name;
  model::ModelConfig model = small_gpt().model;
};

std::vector<Part> norms() {
  std::vector<Part> all;
  for (const nn::NormRow* norm : nn::norms()) {
    Part& part = all.emplace_back(Part{.name = norm->name});
    part.model.norm = norm;
    part.model.norm_bias = model::NormBias::kNo;
    if (norm->takes_bias) {
      Part with_bias = part;
      with_bias.name += "_with_bias";
      with_bias.model.norm_bias = model::NormBias::kYes;
      all.push_back(with_bias);
    }
  }
  return all;
}

// Three heads, whose slopes have no power of two, can't be divided over two
// tensor ranks; six can.
std::vector<Part> orders_of_tokens() {
  std::vector<Part> all(3);
  all[0].name = "alibi";
  all[0].model.position = model::Position::kAlibi;
  all[0].model.hidden = 48;
  all[0].model.heads = 6;
  all[1].name = "no_positions";
  all[1].model.position = model::Position::kNone;
  all[2].name = "window";
  all[2].model.window = 5;
  return all;
}

Config config_of(const Part& part) {
  Config config = small_gpt();
  config.model = part.model;
  return config;
}

std::string name_of(const testing::TestParamInfo<Part>& info) {
  return info.param.name;
}

class PartParity : public testing::TestWithParam<Part> {};

INSTANTIATE_TEST_SUITE_P(Norms,
                         PartParity,
                         testing::ValuesIn(norms()),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Orders,
                         PartParity,
                         testing::ValuesIn(orders_of_tokens()),
                         name_of);

TEST_P(PartParity, ShardsAndStagesChangeNoBit) {
  const Config config = config_of(GetParam());
  const std::vector<Layout> layouts = {
      {.data = 4, .zero = 3, .micro_batches = 2},
      {.pipe = 2,
       .data = 2,
       .zero = 1,
       .schedule = parallel::ScheduleKind::kZbV,
       .micro_batches = 4,
       .recompute = model::Recompute::kSelective}};
  const ParityOutcome one = run_layout(config, alone(layouts[0]), kSteps);
  EXPECT_LT(one.losses.back(), one.losses.front());
  for (const Layout& layout : layouts) {
    SCOPED_TRACE(text(layout));
    expect_same(run_layout(config, layout, kSteps), one);
  }
}

TEST_P(PartParity, TensorRanksAgreeWithinTheBound) {
  const Config config = config_of(GetParam());
  for (const bool sequence : {false, true}) {
    const Layout layout = {
        .tensor = 2, .sequence = sequence, .micro_batches = 4};
    SCOPED_TRACE(text(layout));
    const ParityOutcome one = run_layout(config, alone(layout), kSteps);
    EXPECT_LT(worst(run_layout(config, layout, kSteps).losses, one.losses),
              1e-5);
  }
}

// A unit's forwards are four: in training, in evaluation, and of the next
// tokens of texts with and without a cache.
TEST_P(PartParity, AllForwardsAgree) {
  const Config config =
      configured(config_of(GetParam()), Layout{.micro_batches = 4});
  train::Rank rank(train::rank_options(config));
  train::Trainer trainer(rank, config);
  const Walks data = small_data(config.model.vocabulary);
  const auto evaluated = trainer.evaluate(data, config.train.global_batch);
  EXPECT_EQ(trainer.step(data).loss, evaluated);
  trainer.steps(data, kSteps);
  const auto texts = [&](train::KvCache cache) {
    return train::Generator(rank,
                            trainer.rank_model(),
                            {.tokens = 8, .sampling = {}, .cache = cache})
        .run({{1}, {5, 6, 7, 8, 9}}, [](std::size_t, std::int32_t) {});
  };
  EXPECT_EQ(texts(train::KvCache::kOn), texts(train::KvCache::kOff));
}

}  // namespace
}  // namespace dure
