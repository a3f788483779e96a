#include "dure/parallel/data/parameter_store.h"

#include <algorithm>
#include <atomic>
#include <fmt/core.h>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/launch/run_ranks.h"
#include "dure/parallel/data/shards_testing.h"
#include "dure/parallel/data/visits_testing.h"
#include "tests/oracle/step_plan.h"

namespace dure::parallel {
namespace {

using nn::Access;
using nn::Phase;

constexpr nn::ParameterTypes kTypes = {.value = DType::kF32,
                                       .gradient = DType::kF32};
constexpr int kUnits = 5;  // 0, two blocks, a norm, a head
constexpr int kMicroBatches = 3;

// The sizes divide by nothing. The head uses the first weight, too; the last
// weight gets no gradient.
void add_parameters(nn::ParameterSet& parameters) {
  parameters.add("embedding", {41, 3}, kTypes, {}, true, {0, 4});
  parameters.add("one", {100}, kTypes, {}, true, {1});
  parameters.add("two", {7, 5}, kTypes, {}, true, {2});
  parameters.add("more", {33}, kTypes, {}, false, {2});
  parameters.add("norm", {16}, kTypes, {}, false, {3});
  parameters.add("idle", {17}, kTypes, {}, false, {2});
}

// The values are small whole numbers, so their sums are exact in any order.
float value_of(std::size_t weight, std::int64_t i) {
  return static_cast<float>(100 * static_cast<std::int64_t>(weight) + i % 89);
}
float gradient_of(std::size_t weight, std::int64_t i, std::int64_t sample) {
  return static_cast<float>((static_cast<std::int64_t>(weight) + 1) *
                            (i % 13 + 1) * (sample + 1));
}

class Step {
 public:
  Step(comm::Communicator& world, const StoreOptions& options) : world_(world) {
    add_parameters(parameters_);
    store_.emplace(
        stream_,
        arena_,
        parameters_,
        [&world](mesh::AxisSet) -> comm::Communicator& { return world; },
        options);
  }

  void all_gather() {
    for (const Shard& shard : weights_of(*store_)) {
      for (std::int64_t i = 0; i < shard.values.elements(); ++i) {
        shard.values.data<float>()[i] =
            value_of(static_cast<std::size_t>(shard.weight), shard.offset + i);
      }
    }
    store_->all_gather();
  }

  // The ranks of the first shard group write the right values, the others wrong
  // ones.
  void share(int shard_size) {
    const float wrong = world_.rank() < shard_size ? 0 : 1;
    for (const Shard& shard : weights_of(*store_)) {
      for (std::int64_t i = 0; i < shard.values.elements(); ++i) {
        shard.values.data<float>()[i] =
            value_of(static_cast<std::size_t>(shard.weight), shard.offset + i) +
            wrong;
      }
    }
    store_->broadcast();
  }

  void train() { train(visits(kUnits, kMicroBatches)); }

  void train(std::span<const nn::Visit> of_step) { train(of_step, of_step); }

  void train(std::span<const nn::Visit> told, std::span<const nn::Visit> done) {
    store_->begin_step(told);
    for (const nn::Visit& visit : done) {
      run(visit);
    }
    store_->finish_gradients();
  }

  void evaluate() {
    const nn::Context ctx = context(Phase::kEvaluate);
    for (int unit = 0; unit < kUnits; ++unit) {
      store_->begin(unit, Access::kParameters, ctx);
      read(unit);
      store_->end(unit, Access::kParameters, ctx);
    }
  }

  // `times`: how often a unit writes in a micro-batch, if it is not once.
  void expect_sums(const std::map<int, int>& times = {}) {
    const std::int64_t samples = kMicroBatches * world_.size();
    for (const Shard& shard : gradients_of(*store_)) {
      const auto weight = static_cast<std::size_t>(shard.weight);
      const nn::Parameter& parameter = parameters_[weight];
      for (std::int64_t i = 0; i < shard.gradient.elements(); ++i) {
        float sum = 0;
        for (std::int64_t sample = 0; sample < samples; ++sample) {
          sum += gradient_of(weight, shard.offset + i, sample);
        }
        sum *= writes_of(parameter, times);
        ASSERT_EQ(shard.gradient.data<float>()[i], sum)
            << parameter.name << " " << i;
      }
    }
  }

  // Compares with the plan for the same visits, over the steps so far.
  void expect_planned(const StepOf& step,
                      std::span<const nn::Visit> visits,
                      int steps) const {
    const StepPlan planned = plan_step(store_->plan(), step, visits);
    EXPECT_EQ(static_cast<std::int64_t>(
                  arena_.ledger().peak(Category::kCommunication)),
              planned.peak_bytes);
    const auto elements = [&](comm::Kind kind) {
      return static_cast<std::int64_t>(
          world_.traffic().of("data shard", kind).bytes / sizeof(float));
    };
    EXPECT_EQ(elements(comm::Kind::kAllGather),
              steps * planned.elements.all_gather);
    EXPECT_EQ(elements(comm::Kind::kReduceScatter),
              steps * planned.elements.reduce_scatter);
  }

  std::int64_t owned_elements() {
    std::int64_t sum = 0;
    for (const Shard& shard : weights_of(*store_)) {
      sum += shard.values.elements();
    }
    return sum;
  }

 private:
  static float writes_of(const nn::Parameter& parameter,
                         const std::map<int, int>& times) {
    int writes = 0;
    for (const int unit : parameter.units) {
      const auto found = times.find(unit);
      writes += found == times.end() ? 1 : found->second;
    }
    return parameter.name == "idle" ? 0 : static_cast<float>(writes);
  }

  nn::Context context(Phase phase) {
    return {.stream = stream_,
            .arena = arena_,
            .tensor = {.stream = &stream_, .arena = &arena_},
            .phase = phase};
  }

  void run(const nn::Visit& visit) {
    nn::Context ctx = context(Phase::kTrain);
    ctx.micro_batch = visit.micro_batch;
    store_->begin(visit.unit, visit.access, ctx);
    if (nn::reads_parameters(visit.access)) {
      read(visit.unit);
    }
    if (nn::writes_gradients(visit.access)) {
      write(visit.unit, visit.micro_batch * world_.size() + world_.rank());
    }
    store_->end(visit.unit, visit.access, ctx);
  }

  bool uses(const nn::Parameter& parameter, int unit) const {
    return std::find(parameter.units.begin(), parameter.units.end(), unit) !=
           parameter.units.end();
  }

  void read(int unit) const {
    for (std::size_t w = 0; w < parameters_.all().size(); ++w) {
      const nn::Parameter& parameter = parameters_[w];
      if (!uses(parameter, unit)) {
        continue;
      }
      for (std::int64_t i = 0; i < parameter.value.elements(); ++i) {
        ASSERT_EQ(parameter.value.data<float>()[i], value_of(w, i))
            << parameter.name;
      }
    }
  }

  void write(int unit, std::int64_t sample) {
    for (std::size_t w = 0; w < parameters_.all().size(); ++w) {
      nn::Parameter& parameter = parameters_[w];
      if (!uses(parameter, unit) || parameter.name == "idle") {
        continue;
      }
      const bool adds = parameter.take_write() == kernels::Write::kAdd;
      for (std::int64_t i = 0; i < parameter.gradient.elements(); ++i) {
        float& gradient = parameter.gradient.data<float>()[i];
        gradient = (adds ? gradient : 0) + gradient_of(w, i, sample);
      }
    }
  }

  comm::Communicator& world_;
  Stream stream_{Device::kCpu};
  Arena arena_{stream_, {.limit_bytes = std::size_t{1} << 30}};
  nn::ParameterSet parameters_;
  std::optional<ParameterStore> store_;
};

StoreOptions options_of(int stage, comm::SumOrder order) {
  return {.stage = stage,
          .bucket_bytes = 500,
          .first_bucket_bytes = 100,
          .order = order};
}

class Stages : public testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(ParameterStore,
                         Stages,
                         testing::Values(0, 1, 2, 3),
                         testing::PrintToStringParamName());

TEST_P(Stages, SumGradientsAndHandOutValues) {
  for (const int ranks : {1, 2, 3, 4}) {
    for (const auto order : {comm::SumOrder::kFast, comm::SumOrder::kRanked}) {
      SCOPED_TRACE(fmt::format("{} ranks", ranks));
      launch::run_ranks({.ranks = ranks}, [&](comm::Communicator& world) {
        Step step(world, options_of(GetParam(), order));
        step.all_gather();
        for (int i = 0; i < 2; ++i) {
          step.train();
          step.expect_sums();
          step.evaluate();
        }
      });
    }
  }
}

// All forward, then backward of the upper units, then of the lower ones: three
// micro-batches of every bucket are open at once.
std::vector<nn::Visit> all_forward_then_backward() {
  std::vector<nn::Visit> order;
  for (int m = 0; m < kMicroBatches; ++m) {
    for (int unit = 0; unit + 1 < kUnits; ++unit) {
      order.push_back({unit, Access::kParameters, m});
    }
    order.push_back({kUnits - 1, Access::kBoth, m});
  }
  for (const std::vector<int>& chunk :
       {std::vector<int>{3, 2}, std::vector<int>{1, 0}}) {
    for (int m = 0; m < kMicroBatches; ++m) {
      for (const int unit : chunk) {
        order.push_back(
            {unit, unit == 0 ? Access::kGradients : Access::kBoth, m});
      }
    }
  }
  return order;
}

TEST_P(Stages, SumGradientsInAnyOrderOfVisits) {
  for (const int ranks : {1, 3}) {
    for (const auto order : {comm::SumOrder::kFast, comm::SumOrder::kRanked}) {
      for (const Reshard gather : {Reshard::kAfterUse, Reshard::kAfterStep}) {
        launch::run_ranks({.ranks = ranks}, [&](comm::Communicator& world) {
          StoreOptions options = options_of(GetParam(), order);
          options.gather = gather;
          Step step(world, options);
          step.all_gather();
          for (int i = 0; i < 2; ++i) {
            step.train(all_forward_then_backward());
            step.expect_sums();
            step.evaluate();
            step.train();
            step.expect_sums();
          }
        });
      }
    }
  }
}

// Tests stage 3 in both orders; no run holds or moves anything else.
TEST(ParameterStore, GathersAndReducesAsPlanned) {
  for (const Reshard gather : {Reshard::kAfterUse, Reshard::kAfterStep}) {
    for (const int prefetch : {0, 1, 3}) {
      for (const std::vector<nn::Visit>& order :
           {visits(kUnits, kMicroBatches), all_forward_then_backward()}) {
        launch::run_ranks({.ranks = 2}, [&](comm::Communicator& world) {
          StoreOptions options = options_of(3, comm::SumOrder::kFast);
          options.gather = gather;
          options.prefetch = prefetch;
          Step step(world, options);
          step.all_gather();
          step.train(order);
          step.train(order);
          step.expect_planned({.stage = 3,
                               .shard_size = 2,
                               .prefetch = prefetch,
                               .gather = gather},
                              order,
                              2);
        });
      }
    }
  }
}

// A unit's gradients come in two halves, each of its own weights or of all: the
// second adds to the first.
TEST_P(Stages, SumGradientsOfSplitBackwards) {
  std::vector<nn::Visit> order;
  for (const nn::Visit& visit : visits(kUnits, kMicroBatches)) {
    order.push_back(visit);
  }
  for (int m = 0; m < kMicroBatches; ++m) {
    order.push_back({2, Access::kGradients, m});
  }
  for (const auto sums : {comm::SumOrder::kFast, comm::SumOrder::kRanked}) {
    launch::run_ranks({.ranks = 2}, [&](comm::Communicator& world) {
      Step step(world, options_of(GetParam(), sums));
      step.all_gather();
      step.train(order);
      step.expect_sums({{2, 2}});
    });
  }
}

TEST(ParameterStore, RefusesVisitsThatTheStepDoesNotHave) {
  launch::run_ranks({.ranks = 1}, [](comm::Communicator& world) {
    const auto run = [&](std::vector<nn::Visit> told,
                         std::vector<nn::Visit> done) {
      Step step(world, options_of(3, comm::SumOrder::kFast));
      step.all_gather();
      step.train(told, done);
    };
    const std::vector<nn::Visit> all = visits(kUnits, 1);
    std::vector<nn::Visit> other = all;
    std::swap(other[1], other[2]);
    EXPECT_THROW(run(all, other), Error);
    std::vector<nn::Visit> more = all;
    more.push_back(all.back());
    EXPECT_THROW(run(all, more), Error);
    // No visit writes the embedding's gradient.
    const std::vector<nn::Visit> none = {{1, Access::kBoth, 0}};
    EXPECT_THROW(run(none, none), Error);
  });
}

TEST_P(Stages, WorkInGroups) {
  launch::run_ranks({.ranks = 6}, [&](comm::Communicator& world) {
    StoreOptions options = options_of(GetParam(), comm::SumOrder::kFast);
    options.shard_size = 3;
    options.prefetch = 2;
    Step step(world, options);
    step.all_gather();
    step.train();
    step.expect_sums();
  });
}

TEST_P(Stages, ShareTheFirstGroupsValues) {
  launch::run_ranks({.ranks = 4}, [&](comm::Communicator& world) {
    StoreOptions options = options_of(GetParam(), comm::SumOrder::kFast);
    options.shard_size = 2;
    Step step(world, options);
    step.share(GetParam() == 0 ? 1 : 2);
    step.evaluate();
  });
}

TEST_P(Stages, KeepPartsFromTheFirstOnOn) {
  constexpr std::int64_t kElements = 41 * 3 + 100 + 35 + 33 + 16 + 17;
  std::atomic<std::int64_t> all = 0;
  launch::run_ranks({.ranks = 2}, [&](comm::Communicator& world) {
    Step step(world, options_of(GetParam(), comm::SumOrder::kFast));
    all += step.owned_elements();
  });
  EXPECT_EQ(all, GetParam() == 0 ? 2 * kElements : kElements);
}

// A pass was left in the middle, and the next one begins anew.
TEST(ParameterStore, GathersAnewAfterAPassThatBrokeOff) {
  launch::run_ranks({.ranks = 2}, [](comm::Communicator& world) {
    Step step(world, options_of(3, comm::SumOrder::kFast));
    step.all_gather();
    step.evaluate();
    step.all_gather();
    step.train();
    step.evaluate();
    step.expect_sums();
  });
}

TEST(ReplicaGroups, NeedGroupsThatDivide) {
  launch::run_ranks({.ranks = 4}, [](comm::Communicator& world) {
    EXPECT_THROW(make_replica_groups(world, 3), UsageError);
    const ReplicaGroups groups = make_replica_groups(world, 2);
    EXPECT_EQ(groups.shard->size(), 2);
    EXPECT_EQ(groups.replicate->size(), 2);
    EXPECT_EQ(groups.by_sample, (std::vector<int>{0, 2, 1, 3}));
  });
}

}  // namespace
}  // namespace dure::parallel
