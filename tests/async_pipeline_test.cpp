// Compares pipelines without a flush with a slow model of them on one rank,
// which keeps every version of the weights and follows only the rule
//
//   w(t + 1) = w(t) - rate gradient(w(t - delay)),
//
// where the delay of stage s of p is p - 1 - s (pipedream), or 1 (2BW), and the
// first updates of a segment have less. Sums are ranked, so every bit is the
// same.

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/launch/run_ranks.h"
#include "dure/optim/sgd.h"
#include "dure/parallel/data/visits_testing.h"
#include "dure/train/draw_weights.h"
#include "dure/train/loss_sum.h"
#include "dure/train/micro_batch.h"
#include "dure/train/options.h"
#include "tests/parity_run.h"

namespace dure {
namespace {

using parallel::ScheduleKind;
using train::Config;
using train::Rank;
using train::Trainer;

using Segments = std::vector<int>;  // the steps of each

// There are five blocks, so stages have several units.
Config untied(Config config) {
  config.model.layers = 5;
  config.model.tie_embeddings = false;
  return config;
}

Config gpt() {
  Config config = untied(small_gpt());
  config.model.dropout = 0.1;
  return config;
}

Config gpt_by_sgd() {
  Config config = gpt();
  config.optimizer.name = &optim::kSgd;
  config.optimizer.learning_rate = 0.05;
  return config;
}

Config llama() {
  return untied(small_llama());
}

Config without_clipping(Config config, const Layout& layout) {
  config = configured(std::move(config), layout);
  config.parallel.sums = comm::SumOrder::kRanked;
  config.optimizer.clip_gradient = 0;
  config.optimizer.warmup_steps = 3;  // so that rates differ
  config.log.gradient_histogram_every = 2;
  return config;
}

// The slow model.
class Reference {
 public:
  Reference(Rank& rank, const Config& config)
      : rank_(rank),
        config_(config),
        pipeline_(train::pipeline_of(config)),
        rank_model_(rank,
                    config.model,
                    static_cast<std::uint64_t>(config.train.seed),
                    nn::Phase::kTrain,
                    {.order = comm::SumOrder::kRanked}),
        updater_(rank, rank_model_, config, train::Updater::Reach::kLocal) {
    draw_weights(
        rank, rank_model_, static_cast<std::uint64_t>(config.train.seed));
  }

  void run(const data::Dataset& data, int steps, ParityOutcome& outcome) {
    history_ = {now()};  // delays begin anew
    for (int t = 0; t < steps; ++t) {
      outcome.losses.push_back(accumulate(data, t));
      set([&](const nn::Parameter&) { return t; });
      train::UpdateRecord record;
      updater_.begin(record, {.first_step = updates_ + 1, .known = updates_});
      ++updates_;
      updater_.update(record, 0, 0);
      updater_.read(record);
      outcome.norms.push_back(std::sqrt(record.host_squares(0).value()));
      outcome.exponents.push_back(
          record.gradient_exponents(0, train::LossIs::kUnscaled));
      history_.push_back(now());
    }
  }

  train::RankModel& rank_model() { return rank_model_; }

 private:
  using Values = std::map<std::string, std::vector<float>>;

  Values now() {
    Values values;
    for (const nn::Parameter& parameter : rank_model_.parameters().all()) {
      const float* const first = parameter.value.data<float>();
      values[parameter.name].assign(first, first + parameter.value.elements());
    }
    return values;
  }

  // Sets every weight to the version that the function returns.
  template <typename Function>
  void set(Function&& version) {
    for (const nn::Parameter& parameter : rank_model_.parameters().all()) {
      const std::vector<float>& values =
          history_.at(static_cast<std::size_t>(version(parameter)))
              .at(parameter.name);
      std::copy(values.begin(), values.end(), parameter.value.data<float>());
    }
  }

  int delay(const nn::Parameter& parameter) const {
    const int stage = pipeline_.rank_of(parameter.units.front());
    return pipeline_.schedule.kind == ScheduleKind::kPipedream
               ? pipeline_.schedule.ranks - 1 - stage
               : 1;
  }

  double accumulate(const data::Dataset& data, int t) {
    set([&](const nn::Parameter& parameter) {
      return std::max(t - delay(parameter), 0);
    });
    const auto micro_batches = static_cast<int>(config_.train.global_batch);
    const double tokens =
        static_cast<double>(config_.train.global_batch * config_.data.sequence);
    rank_model_.store().begin_step(parallel::visits(
        rank_model_.pipeline().whole_model().last, micro_batches));
    train::MicroBatch inputs(rank_, 1, config_.data.sequence);
    model::Stack::Saved saved;
    const OwnedTensor d_loss =
        train::scalar(rank_, static_cast<float>(1 / tokens));
    train::LossSum losses(rank_);
    for (int m = 0; m < micro_batches; ++m) {
      nn::Context ctx = rank_.context();
      ctx.micro_batch = m;
      inputs.load(data, consumed_++);
      rank_model_.stack().forward(ctx, {}, inputs.batch(d_loss), saved);
      losses.add(inputs.loss());
      rank_model_.stack().backward(ctx, {}, inputs.batch(), saved);
    }
    return losses.download().value() / tokens;
  }

  Rank& rank_;
  Config config_;
  train::Pipeline pipeline_;
  train::RankModel rank_model_;
  train::Updater updater_;
  std::int64_t updates_ = 0;
  std::vector<Values> history_;  // of the segment, by version
  std::int64_t consumed_ = 0;
};

ParityOutcome by_the_rule(const Config& config, const Segments& segments) {
  Rank rank(train::RankOptions{});
  Reference reference(rank, config);
  ParityOutcome outcome;
  for (const int steps : segments) {
    reference.run(small_data(), steps, outcome);
  }
  collect(rank, reference.rank_model(), outcome);
  return outcome;
}

// A segment that is long enough has as many versions in memory as the delay
// says.
void expect_versions(Rank& rank, Trainer& trainer, const Segments& segments) {
  const Ledger& ledger = rank.arena.ledger();
  const auto values = static_cast<std::size_t>(
      trainer.rank_model().store().plan().elements * sizeof(float));
  const int delay =
      parallel::weight_staleness(trainer.rank_model().pipeline().schedule,
                                 rank.group(mesh::kStages).rank());
  const int versions =
      std::min(delay + 1, *std::max_element(segments.begin(), segments.end()));
  EXPECT_EQ(ledger.current(Category::kParameters), values);
  EXPECT_EQ(ledger.peak(Category::kParameters),
            values * static_cast<std::size_t>(versions));
}

// Runs the trainer on the layout's ranks.
ParityOutcome by_the_pipeline(const Config& config, const Segments& segments) {
  train::validate(config);
  train::validate_pipeline(config);
  ParityOutcome outcome;
  std::mutex mutex;
  const auto ranks = static_cast<int>(train::ranks_of(config.parallel));
  launch::run_ranks({.ranks = ranks}, [&](comm::Communicator& world) {
    train::RankOptions options = train::rank_options(config);
    options.world = &world;
    Rank rank(options);
    Trainer trainer(rank, config);
    ParityOutcome mine;
    for (const int steps : segments) {
      for (const train::StepResult& step : trainer.steps(small_data(), steps)) {
        mine.losses.push_back(step.loss);
        mine.norms.push_back(step.grad_norm);
        mine.exponents.push_back(step.gradient_exponents);
        EXPECT_EQ(step.step, std::ssize(mine.losses));
      }
    }
    expect_versions(rank, trainer, segments);
    const std::lock_guard lock(mutex);
    if (!outcome.losses.empty()) {
      EXPECT_EQ(mine.losses, outcome.losses);
      EXPECT_EQ(mine.norms, outcome.norms);
      EXPECT_TRUE(mine.exponents == outcome.exponents);
    }
    outcome.losses = mine.losses;
    outcome.norms = mine.norms;
    outcome.exponents = mine.exponents;
    collect(rank, trainer.rank_model(), outcome);
  });
  return outcome;
}

void expect_the_rule(const Config& config, const Segments& segments) {
  const ParityOutcome wanted = by_the_rule(config, segments);
  const ParityOutcome got = by_the_pipeline(config, segments);
  EXPECT_EQ(got.losses, wanted.losses);
  EXPECT_EQ(got.norms, wanted.norms);
  EXPECT_TRUE(got.exponents == wanted.exponents);
  EXPECT_TRUE(got.weights == wanted.weights);
}

struct Model {
  const char* name;
  Config (*config)();
};
constexpr Model kModels[] = {
    {"Gpt", gpt}, {"GptBySgd", gpt_by_sgd}, {"Llama", llama}};

class AsyncPipeline : public testing::TestWithParam<Model> {};

INSTANTIATE_TEST_SUITE_P(Models,
                         AsyncPipeline,
                         testing::ValuesIn(kModels),
                         [](const auto& model) {
                           return std::string(model.param.name);
                         });

TEST_P(AsyncPipeline, PipedreamFollowsTheRule) {
  for (const int pipe : {1, 2, 3, 4}) {
    for (const int data : {1, 2}) {
      const Layout layout = {
          .pipe = pipe, .data = data, .schedule = ScheduleKind::kPipedream};
      SCOPED_TRACE(text(layout));
      expect_the_rule(without_clipping(GetParam().config(), layout), {7, 1, 5});
    }
  }
}

TEST_P(AsyncPipeline, TwoVersionsFollowTheRule) {
  for (const int pipe : {1, 2, 3, 4}) {
    for (const int more : {0, 1, 3}) {
      const Layout layout = {.pipe = pipe,
                             .data = more == 1 ? 2 : 1,
                             .schedule = ScheduleKind::kPipedream2bw,
                             .micro_batches = pipe + more};
      SCOPED_TRACE(text(layout));
      expect_the_rule(without_clipping(GetParam().config(), layout), {4, 1, 2});
    }
  }
}

// Settings that change no bit elsewhere change none here.
TEST_P(AsyncPipeline, ZeroAndRecomputationFollowTheRule) {
  for (const int zero : {0, 1, 2}) {
    for (const model::Recompute recompute :
         {model::Recompute::kSelective, model::Recompute::kFull}) {
      Layout layout = {.pipe = 3,
                       .data = 2,
                       .zero = zero,
                       .schedule = ScheduleKind::kPipedream,
                       .recompute = recompute};
      SCOPED_TRACE(text(layout));
      expect_the_rule(without_clipping(GetParam().config(), layout), {6, 3});
      layout.schedule = ScheduleKind::kPipedream2bw;
      layout.micro_batches = 4;
      Config config = without_clipping(GetParam().config(), layout);
      expect_the_rule(config, {3, 2});
      config.memory.logits = train::LogitsMemory::kWhole;
      expect_the_rule(config, {3, 2});
    }
  }
}

// A pipedream of one stage has no delay: it is plain training.
TEST_P(AsyncPipeline, OfOneStageIsTraining) {
  Config config = without_clipping(GetParam().config(),
                                   {.schedule = ScheduleKind::kPipedream});
  const ParityOutcome flowing = by_the_pipeline(config, {6});
  config.parallel.schedule = ScheduleKind::k1F1B;
  const ParityOutcome training = by_the_pipeline(config, {6});
  EXPECT_EQ(flowing.losses, training.losses);
  EXPECT_EQ(flowing.norms, training.norms);
  EXPECT_TRUE(flowing.weights == training.weights);
}

// The delay has an effect; otherwise only the ends of the rule would be tested.
TEST_P(AsyncPipeline, DelaysChangeTheRun) {
  const Layout layout = {.pipe = 4, .schedule = ScheduleKind::kPipedream};
  const Config config = without_clipping(GetParam().config(), layout);
  const ParityOutcome long_one = by_the_pipeline(config, {8});
  const ParityOutcome drained =
      by_the_pipeline(config, {1, 1, 1, 1, 1, 1, 1, 1});
  EXPECT_NE(long_one.losses, drained.losses);
  EXPECT_FALSE(long_one.weights == drained.weights);
}

// Tensor ranks add up in another order than one rank. So they are compared with
// the same tensor ranks without several stages, which have the rule's delay 1
// too.
TEST(AsyncPipelines, TensorRanksFollowTheRuleOfTheirs) {
  Layout layout = {.pipe = 2,
                   .tensor = 2,
                   .sequence = true,
                   .schedule = ScheduleKind::kPipedream2bw,
                   .micro_batches = 3};
  const ParityOutcome two =
      by_the_pipeline(without_clipping(gpt(), layout), {4, 2});
  layout.pipe = 1;
  const ParityOutcome one =
      by_the_pipeline(without_clipping(gpt(), layout), {4, 2});
  EXPECT_EQ(two.losses, one.losses);
  EXPECT_EQ(two.norms, one.norms);
  EXPECT_TRUE(two.weights == one.weights);
}

TEST(AsyncPipelines, SayWhichStageFoundWhatIsNotFinite) {
  const Layout layout = {.pipe = 3, .schedule = ScheduleKind::kPipedream};
  Config config = without_clipping(gpt_by_sgd(), layout);
  config.optimizer.learning_rate = 1e30;
  try {
    by_the_pipeline(config, {40});
    ADD_FAILURE() << "trained at such a rate";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(" is not finite, on stage "),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace dure
