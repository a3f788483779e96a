// Training as a whole: properties of any run.

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <new>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/train/trainer.h"
#include "tests/small_run.h"

namespace {

// Counts every operator new of this program, on any thread.
std::atomic<std::uint64_t> allocations{0};

}  // namespace

// If it were inlined, g++ 12 would see free() meet new and warn.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes)) {
    return memory;
  }
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t bytes,
                                     const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(bytes);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory,
                                       std::size_t /*bytes*/) noexcept {
  std::free(memory);
}

namespace dure {
namespace {

using train::Config;
using train::Rank;
using train::Trainer;

std::vector<double> losses(const Config& config, int steps) {
  Rank rank({});
  Trainer trainer(rank, train::resolve(config));
  const Walks data = small_data();
  std::vector<double> result;
  for (int i = 0; i < steps; ++i) {
    result.push_back(trainer.step(data).loss);
  }
  return result;
}

Config less_kept(Config config) {
  config.memory.recompute = model::Recompute::kSelective;
  return config;
}
Config nothing_kept(Config config) {
  config.memory.recompute = model::Recompute::kFull;
  return config;
}

constexpr const char* kFamilies[] = {
    "Gpt", "Llama", "GptRecomputingSome", "LlamaRecomputingAll"};

class Training : public testing::TestWithParam<Config> {};

INSTANTIATE_TEST_SUITE_P(Families,
                         Training,
                         testing::Values(small_gpt(),
                                         small_llama(),
                                         less_kept(small_gpt()),
                                         nothing_kept(small_llama())),
                         [](const auto& family) {
                           return std::string(kFamilies[family.index]);
                         });

TEST_P(Training, StartsAtTheLossOfGuessing) {
  const double loss = losses(GetParam(), 1)[0];
  EXPECT_NEAR(loss, std::log(61.0), 0.1);  // weights of deviation 0.02
}

// One batch is read again and again: 64 tokens, a hundred thousand weights.
TEST_P(Training, OverfitsABatchToNearZero) {
  class SameBatch final : public data::Dataset {
   public:
    std::int64_t size() const override { return walks_.size(); }
    std::int64_t sample_tokens() const override {
      return walks_.sample_tokens();
    }
    void sample(std::int64_t index,
                std::span<std::int32_t> tokens) const override {
      walks_.sample(index % 4, tokens);
    }

   private:
    Walks walks_ = small_data();
  };
  Rank rank({});
  Config config = GetParam();
  config.optimizer.weight_decay = 0;
  Trainer trainer(rank, train::resolve(config));
  double loss = 0;
  for (int i = 0; i < 200; ++i) {
    loss = trainer.step(SameBatch()).loss;
  }
  EXPECT_LT(loss, 0.01);
}

TEST_P(Training, GivesTheSameBitsTwice) {
  Config config = GetParam();
  config.model.dropout = 0.1;
  EXPECT_EQ(losses(config, 5), losses(config, 5));
}

// Dropout and data follow the sample, not the micro-batch it is in, and losses
// add up without rounding. Gradients add up in another order: after one step a
// difference of rounding, 1e-7 relative, has gone through the optimizer once.
TEST_P(Training, DoesNotDependOnTheMicroBatch) {
  Config config = GetParam();
  config.model.dropout = 0.2;
  const std::vector<double> pairs = losses(config, 2);
  config.train.micro_batch = 4;
  const std::vector<double> whole = losses(config, 2);
  config.train.micro_batch = 1;
  const std::vector<double> single = losses(config, 2);
  EXPECT_EQ(whole[0], pairs[0]);
  EXPECT_EQ(single[0], pairs[0]);
  EXPECT_NEAR(whole[1], pairs[1], 1e-5);
  EXPECT_NEAR(single[1], pairs[1], 1e-5);
}

TEST_P(Training, EvaluationDoesNotDependOnTheMicroBatch) {
  const auto evaluated = [](Config config, std::int64_t micro_batch) {
    config.train.global_batch = 60;
    config.train.micro_batch = micro_batch;
    Rank rank({});
    Trainer trainer(rank, train::resolve(config));
    return trainer.evaluate(small_data(), 50).value();
  };
  const double single = evaluated(GetParam(), 1);
  for (const std::int64_t micro_batch : {2, 3, 20, 60}) {
    EXPECT_EQ(evaluated(GetParam(), micro_batch), single) << micro_batch;
  }
}

TEST_P(Training, DropoutIsForTrainingOnly) {
  Config config = GetParam();
  config.train.micro_batch = 4;
  const auto both = [&](double rate) {
    config.model.dropout = rate;
    Rank rank({});
    Trainer trainer(rank, train::resolve(config));
    const Walks data = small_data();
    const double evaluated = trainer.evaluate(data, 4).value();
    return std::pair(evaluated, trainer.step(data).loss);
  };
  const auto [evaluated, trained] = both(0.5);
  const auto [evaluated_without, trained_without] = both(0);
  EXPECT_EQ(evaluated, evaluated_without);
  EXPECT_EQ(evaluated_without, trained_without);
  EXPECT_NE(trained, trained_without);
}

// Each of the three places of dropout has its own rate.
TEST_P(Training, EveryDropoutIsOfItsOwnPlace) {
  const auto loss_with = [](double embedding, double attention, double hidden) {
    Config config = GetParam();
    config.model.dropout.embedding = embedding;
    config.model.dropout.attention = attention;
    config.model.dropout.hidden = hidden;
    return losses(config, 1).front();
  };
  const std::set<double> different = {loss_with(0, 0, 0),
                                      loss_with(0.3, 0, 0),
                                      loss_with(0, 0.3, 0),
                                      loss_with(0, 0, 0.3),
                                      loss_with(0.3, 0.3, 0.3)};
  EXPECT_EQ(different.size(), 5U);
}

// A steady step repeats the last one's requests and gets the same memory.
TEST_P(Training, HoldsNoMoreMemoryAfterTheFirstStep) {
  Rank rank({});
  Trainer trainer(rank, train::resolve(GetParam()));
  const Walks data = small_data();
  trainer.step(data);
  const std::size_t held = rank.arena.ledger().current();
  const std::size_t high_water = rank.arena.high_water();
  const std::size_t peak = rank.arena.ledger().peak();
  const std::uint64_t before = rank.arena.ledger().allocations();
  trainer.step(data);
  const std::uint64_t second = rank.arena.ledger().allocations() - before;
  trainer.step(data);
  EXPECT_EQ(rank.arena.ledger().allocations() - before, 2 * second);
  EXPECT_EQ(rank.arena.ledger().current(), held);
  EXPECT_EQ(rank.arena.high_water(), high_water);
  EXPECT_EQ(rank.arena.ledger().peak(), peak);
}

// The C++ library allocates nothing either: after the first steps every buffer
// exists.
TEST_P(Training, AllocatesNothingInASteadyStep) {
  Rank rank({});
  Trainer trainer(rank, train::resolve(GetParam()));
  const Walks data = small_data();
  trainer.step(data);
  trainer.step(data);
  const std::uint64_t before = allocations;
  trainer.step(data);
  EXPECT_EQ(allocations - before, 0U);
}

// The host waits once in a step, to read the loss and the norm; otherwise
// streams wait for one another.
TEST_P(Training, StopsTheHostOnceInASteadyStep) {
  Rank rank({});
  Trainer trainer(rank, train::resolve(GetParam()));
  trainer.step(small_data());
  const std::int64_t before = rank.stream.synchronizations();
  trainer.begin(small_data());
  EXPECT_EQ(rank.stream.synchronizations() - before, 0);
  trainer.end();
  EXPECT_EQ(rank.stream.synchronizations() - before, 1);
}

// The simulator runs the same step: the same memory, time from the costs alone,
// and no data touched (its arena would fault).
TEST_P(Training, OnTheSimulatorTakesTheSameMemoryAndSomeTime) {
  const Config config = train::resolve(GetParam());
  Rank real({});
  Trainer trainer(real, config);
  trainer.step(small_data());

  Rank simulated({.device = Device::kSim});
  Trainer simulated_trainer(simulated, config);
  const double start = simulated.stream.seconds();
  simulated_trainer.step(small_data());
  const double first = simulated.stream.seconds() - start;
  simulated_trainer.step(small_data());
  EXPECT_GT(first, 0);
  EXPECT_NEAR(simulated.stream.seconds() - start - first, first, 1e-9 * first);
  for (std::size_t c = 0; c < kCategories; ++c) {
    const auto category = static_cast<Category>(c);
    EXPECT_EQ(simulated.arena.ledger().peak(category),
              real.arena.ledger().peak(category))
        << name_of(category);
  }
}

TEST_P(Training, NamesTheStepAndTheTensorThatIsNotFinite) {
  Config config = GetParam();
  Rank rank({});
  Trainer trainer(rank, train::resolve(config));
  trainer.step(small_data());
  trainer.rank_model()
      .parameters()["blocks.1.mlp.down.weight"]
      .value.data<float>()[3] = std::nanf("");
  try {
    trainer.step(small_data());
    FAIL();
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("step 2"), std::string::npos) << text;
    EXPECT_NE(text.find("embedding.token.weight"), std::string::npos) << text;
  }
  EXPECT_EQ(trainer.position().updates, 1);
}

TEST_P(Training, SkipsAStepThatIsNotFiniteWhereAsked) {
  Config config = GetParam();
  config.train.on_nonfinite = train::OnNonfinite::kSkip;
  Rank rank({});
  Trainer trainer(rank, train::resolve(config));
  float& weight = trainer.rank_model()
                      .parameters()["final_norm.weight"]
                      .value.data<float>()[0];
  const float good = std::exchange(weight, std::nanf(""));
  EXPECT_TRUE(trainer.step(small_data()).skipped);
  EXPECT_EQ(trainer.position(),
            (train::TrainingPosition{.step = 1, .updates = 0, .consumed = 4}));
  weight = good;
  EXPECT_FALSE(trainer.step(small_data()).skipped);
  EXPECT_EQ(trainer.position().updates, 1);
}

// The results of steps of which the third is not finite. Each ends when so many
// later ones have begun.
std::vector<train::StepResult> results_read_late(const Config& config,
                                                 int late) {
  Rank rank({});
  Trainer trainer(rank, train::resolve(config));
  float& weight = trainer.rank_model()
                      .parameters()["final_norm.weight"]
                      .value.data<float>()[0];
  std::vector<train::StepResult> results;
  for (int step = 0; step < 6; ++step) {
    const float good = weight;
    weight = step == 2 ? std::nanf("") : good;
    trainer.begin(small_data());
    weight = step == 2 ? good : weight;
    if (step >= late) {
      results.push_back(trainer.end().front());
    }
  }
  for (int step = 0; step < late; ++step) {
    results.push_back(trainer.end().front());
  }
  EXPECT_EQ(trainer.position(),
            (train::TrainingPosition{.step = 6, .updates = 5, .consumed = 24}));
  return results;
}

// The host may not know yet whether the update before was made. Rates, which
// rise here, and losses are the same.
TEST_P(Training, IsTheSameHoweverLateTheHostReads) {
  Config config = GetParam();
  config.train.on_nonfinite = train::OnNonfinite::kSkip;
  config.optimizer.warmup_steps = 6;
  const auto at_once = results_read_late(config, 0);
  EXPECT_TRUE(at_once[2].skipped);
  for (const int late : {1, 2}) {
    const auto later = results_read_late(config, late);
    for (std::size_t i = 0; i < later.size(); ++i) {
      if (i != 2) {
        EXPECT_EQ(later[i].loss, at_once[i].loss) << i;
        EXPECT_EQ(later[i].grad_norm, at_once[i].grad_norm) << i;
      }
      EXPECT_EQ(later[i].learning_rate, at_once[i].learning_rate) << i;
      EXPECT_EQ(later[i].skipped, at_once[i].skipped) << i;
    }
  }
}

// With "stop" no later update is made, so the last good state stays, although
// later steps have begun.
TEST_P(Training, KeepsTheLastGoodStateWhereItStops) {
  Rank rank({});
  Trainer trainer(rank, train::resolve(GetParam()));
  trainer.step(small_data());
  const Tensor weights =
      trainer.rank_model().parameters()["final_norm.weight"].value;
  const std::vector<float> before(weights.data<float>(),
                                  weights.data<float>() + weights.elements());
  weights.data<float>()[0] = std::nanf("");
  trainer.begin(small_data());
  weights.data<float>()[0] = before[0];
  trainer.begin(small_data());
  EXPECT_FALSE(trainer.is_whole());
  EXPECT_THROW(trainer.end(), train::NotFinite);
  EXPECT_TRUE(trainer.is_whole());
  EXPECT_EQ(trainer.position(),
            (train::TrainingPosition{.step = 1, .updates = 1, .consumed = 4}));
  EXPECT_TRUE(std::equal(before.begin(), before.end(), weights.data<float>()));
}

// A data set that can't be read from one of its samples on.
class Torn final : public data::Dataset {
 public:
  explicit Torn(std::int64_t first) : first_(first) {}
  std::int64_t size() const override { return data_.size(); }
  std::int64_t sample_tokens() const override { return data_.sample_tokens(); }
  void sample(std::int64_t index,
              std::span<std::int32_t> tokens) const override {
    DURE_CHECK(index < first_, "sample {} is torn", index);
    data_.sample(index, tokens);
  }

 private:
  Walks data_ = small_data();
  std::int64_t first_;
};

// So the last step can be saved, although another had begun.
TEST_P(Training, IsWholeWhereAStepFailsBeforeItsUpdate) {
  Rank rank({});
  Trainer trainer(rank, train::resolve(GetParam()));
  const Torn data(4);
  trainer.step(data);
  EXPECT_THROW(trainer.step(data), Error);
  EXPECT_TRUE(trainer.is_whole());
  EXPECT_EQ(trainer.position(),
            (train::TrainingPosition{.step = 1, .updates = 1, .consumed = 4}));
}

}  // namespace
}  // namespace dure
