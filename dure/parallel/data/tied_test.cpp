// A weight that the first stage of a pipeline and the last both hold: its
// gradient equals that of a rank that holds the whole model.
#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/base/random.h"
#include "dure/comm/host_testing.h"
#include "dure/launch/run_ranks.h"
#include "dure/parallel/data/parameter_store.h"
#include "dure/parallel/data/shards_testing.h"
#include "dure/parallel/data/visits_testing.h"
#include "tests/oracle/step_plan.h"

namespace dure::parallel {
namespace {

using nn::Access;
using nn::Visit;
using Order = comm::SumOrder;

constexpr int kUnits = 5;  // embedding, two blocks, a norm, a head
constexpr int kHead = kUnits - 1;
constexpr int kMicroBatches = 3;
constexpr int kTiedGroup = 1;
constexpr std::int64_t kTiedElements = 41 * 3;

// The units that a rank has.
struct Stretch {
  int first = 0;
  int last = kUnits;

  bool has(int unit) const { return first <= unit && unit < last; }
};

void add(nn::ParameterSet& parameters,
         const Stretch& stretch,
         const std::string& name,
         const Shape& shape,
         const std::vector<int>& units) {
  std::vector<int> here;
  for (const int unit : units) {
    if (stretch.has(unit)) {
      here.push_back(unit);
    }
  }
  if (!here.empty()) {
    parameters.add(name,
                   shape,
                   {.value = DType::kF32, .gradient = DType::kF32},
                   {},
                   true,
                   here);
  }
}

void add_parameters(nn::ParameterSet& parameters, const Stretch& stretch) {
  add(parameters, stretch, "one", {50}, {1});
  add(parameters, stretch, "tied", {41, 3}, {0, kHead});
  add(parameters, stretch, "two", {7, 5}, {2});
  add(parameters, stretch, "norm", {16}, {3});
  parameters["tied"].group = kTiedGroup;
}

// kWhole: small whole numbers, whose sums are exact in any order. kRounded: any
// numbers, whose sums depend on the order.
enum class Numbers : std::uint8_t { kWhole, kRounded };

float gradient_of(Numbers numbers, int unit, std::int64_t i, int sample) {
  const RandomStream stream(
      7, fmt::format("unit {} sample {}", unit, sample).c_str());
  const float x = stream.normal(static_cast<std::uint64_t>(i));
  return numbers == Numbers::kWhole ? std::round(8 * x) : x;
}

// The order of a stage: all forwards first, or each backward after its forward.
enum class Schedule : std::uint8_t { kAllForward, kOneByOne };

std::vector<Visit> visits_of(const Stretch& stretch, Schedule schedule) {
  std::vector<Visit> forward;
  std::vector<Visit> both;
  std::vector<Visit> backward;
  for (const Visit& visit : visits(kUnits, kMicroBatches)) {
    if (stretch.has(visit.unit)) {
      const bool ahead =
          visit.access == Access::kParameters || visit.unit == kHead;
      (ahead ? forward : backward).push_back(visit);
      both.push_back(visit);
    }
  }
  if (schedule == Schedule::kOneByOne) {
    return both;
  }
  forward.insert(forward.end(), backward.begin(), backward.end());
  return forward;
}

struct Layout {
  int zero = 0;
  int data = 1;
  int shard_size = 0;
  Order order = Order::kFast;
  Schedule schedule = Schedule::kAllForward;

  Numbers numbers() const {
    return order == Order::kRanked ? Numbers::kRounded : Numbers::kWhole;
  }
};

std::string text(const Layout& layout) {
  return fmt::format(
      "zero {}, data {}{}{}",
      layout.zero,
      layout.data,
      layout.order == Order::kRanked ? ", ranked" : ", fast",
      layout.schedule == Schedule::kOneByOne ? ", one by one" : "");
}

// One rank's stage of the model.
class Stage {
 public:
  Stage(const Stretch& stretch,
        const Layout& layout,
        comm::Communicator& data,
        comm::Communicator* tied)
      : layout_(layout),
        data_(data),
        tied_(tied),
        visits_(visits_of(stretch, layout.schedule)) {
    add_parameters(parameters_, stretch);
    store_.emplace(
        stream_,
        arena_,
        parameters_,
        [&data](mesh::AxisSet) -> comm::Communicator& { return data; },
        options());
    for (const Shard& shard : weights_of(*store_)) {
      std::fill_n(shard.values.data<float>(), shard.values.elements(), 1.0F);
    }
    store_->all_gather();
  }

  void train() {
    store_->begin_step(visits_);
    for (const Visit& visit : visits_) {
      const nn::Context ctx{.stream = stream_,
                            .arena = arena_,
                            .tensor = {.stream = &stream_, .arena = &arena_},
                            .micro_batch = visit.micro_batch};
      store_->begin(visit.unit, visit.access, ctx);
      if (nn::writes_gradients(visit.access)) {
        write(visit);
      }
      store_->end(visit.unit, visit.access, ctx);
    }
    store_->finish_gradients();
  }

  // Copies the tied weight's gradient where this rank owns it.
  void copy_gradient(std::vector<float>& gradient) {
    for (const Shard& shard : gradients_of(*store_)) {
      if (shard.weight == tied_weight()) {
        std::copy_n(shard.gradient.data<float>(),
                    shard.gradient.elements(),
                    gradient.begin() + shard.offset);
      }
    }
  }

  StepPlan planned() {
    const TiedStage stage =
        tied_->rank() == 0 ? TiedStage::kFirst : TiedStage::kLast;
    return plan_step(
        store_->plan(),
        {.stage = layout_.zero,
         .shard_size = store_->groups().front().shard->size(),
         .order = layout_.order,
         .tied = TiedBucket{.bucket = bucket_of(store_->plan(),
                                                {.weight = tied_weight()}),
                            .stage = stage}},
        visits_);
  }

  std::int64_t peak_communication() const {
    return static_cast<std::int64_t>(
        arena_.ledger().peak(Category::kCommunication));
  }

 private:
  int tied_weight() const {
    int weight = 0;
    while (parameters_[weight].name != "tied") {
      ++weight;
    }
    return weight;
  }

  StoreOptions options() const {
    StoreOptions options = {.stage = layout_.zero,
                            .shard_size = layout_.shard_size,
                            .order = layout_.order};
    if (tied_ != nullptr) {
      options.tied = Tied{.weight = tied_weight(), .ranks = tied_};
    }
    return options;
  }

  // Writes as layers do: overwrites or adds to everything; the embedding only
  // adds to its rows, here every other element.
  void write(const Visit& visit) {
    const int sample = visit.micro_batch * data_.size() + data_.rank();
    for (nn::Parameter& parameter : parameters_.all()) {
      if (std::find(parameter.units.begin(),
                    parameter.units.end(),
                    visit.unit) == parameter.units.end()) {
        continue;
      }
      const bool adds = parameter.take_write() == kernels::Write::kAdd;
      const int every = visit.unit == 0 ? 2 : 1;
      for (std::int64_t i = 0; i < parameter.gradient.elements(); ++i) {
        float& gradient = parameter.gradient.data<float>()[i];
        gradient = adds ? gradient : 0;
        if (i % every == 0) {
          gradient += gradient_of(layout_.numbers(), visit.unit, i, sample);
        }
      }
    }
  }

  Layout layout_;
  comm::Communicator& data_;
  comm::Communicator* tied_;
  std::vector<Visit> visits_;
  Stream stream_{Device::kCpu};
  Arena arena_{stream_, {.limit_bytes = std::size_t{1} << 30}};
  nn::ParameterSet parameters_;
  std::optional<ParameterStore> store_;
};

// The gradient on ranks that hold the whole model.
std::vector<float> gradient_of_whole(const Layout& layout) {
  std::vector<float> gradient(kTiedElements);
  launch::run_ranks({.ranks = layout.data}, [&](comm::Communicator& world) {
    Stage stage({}, layout, world, nullptr);
    stage.train();
    stage.train();
    stage.copy_gradient(gradient);  // disjoint parts, or replicas
    world.run(comm::host(), comm::Barrier{});
  });
  return gradient;
}

// The gradients of each stage.
std::vector<std::vector<float>> gradients_of_stages(const Layout& layout) {
  std::vector<std::vector<float>> gradients(2,
                                            std::vector<float>(kTiedElements));
  std::mutex mutex;
  launch::run_ranks({.ranks = 2 * layout.data}, [&](comm::Communicator& world) {
    const int s = world.rank() / layout.data;
    const auto data = world.split(s, world.rank(), "data");
    const auto tied =
        world.split(world.rank() % layout.data, world.rank(), "tied");
    const Stretch stretch = s == 0 ? Stretch{0, 2} : Stretch{2, kUnits};
    Stage stage(stretch, layout, *data, tied.get());
    stage.train();
    stage.train();
    const StepPlan planned = stage.planned();
    EXPECT_EQ(stage.peak_communication(), planned.peak_bytes);
    const auto elements = [&](comm::Kind kind) {
      return static_cast<std::int64_t>(world.traffic().of("tied", kind).bytes /
                                       sizeof(float));
    };
    EXPECT_EQ(elements(comm::Kind::kSend) + elements(comm::Kind::kRecv),
              2 * planned.elements.tied_messages);
    EXPECT_EQ(elements(comm::Kind::kAllReduce),
              2 * planned.elements.all_reduce_tied);
    const std::lock_guard lock(mutex);
    stage.copy_gradient(gradients[s]);
  });
  return gradients;
}

class TiedStages : public testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(ParameterStore,
                         TiedStages,
                         testing::Values(0, 1, 2, 3),
                         testing::PrintToStringParamName());

TEST_P(TiedStages, HaveTheGradientOfOneThatHoldsBoth) {
  for (const int data : {1, 2}) {
    for (const Order order : {Order::kFast, Order::kRanked}) {
      for (const Schedule schedule :
           {Schedule::kAllForward, Schedule::kOneByOne}) {
        const Layout layout = {.zero = GetParam(),
                               .data = data,
                               .order = order,
                               .schedule = schedule};
        SCOPED_TRACE(text(layout));
        const std::vector<float> whole = gradient_of_whole(layout);
        for (const std::vector<float>& stage : gradients_of_stages(layout)) {
          EXPECT_EQ(stage, whole);
        }
      }
    }
  }
}

// There are groups of two among four data ranks.
TEST_P(TiedStages, WorkInGroups) {
  for (const Order order : {Order::kFast, Order::kRanked}) {
    const Layout layout = {
        .zero = GetParam(), .data = 4, .shard_size = 2, .order = order};
    SCOPED_TRACE(text(layout));
    const std::vector<float> whole = gradient_of_whole(layout);
    for (const std::vector<float>& stage : gradients_of_stages(layout)) {
      EXPECT_EQ(stage, whole);
    }
  }
}

// Adding up each unit's own gradient, and then the two, rounds differently, so
// the equal bits above are no accident.
TEST(TiedStages, RoundAsTheirOrderSays) {
  int different = 0;
  for (std::int64_t i = 0; i < kTiedElements; i += 2) {
    float both = 0;
    float head = 0;
    float embedding = 0;
    for (int sample = 0; sample < kMicroBatches; ++sample) {
      const float of_head = gradient_of(Numbers::kRounded, kHead, i, sample);
      const float of_embedding = gradient_of(Numbers::kRounded, 0, i, sample);
      both += of_head + of_embedding;
      head += of_head;
      embedding += of_embedding;
    }
    different += both == head + embedding ? 0 : 1;
  }
  EXPECT_GT(different, kTiedElements / 10);
}

TEST(TiedStages, NeedTheWeightInAGroupByItself) {
  const std::vector<PlannedWeight> weights = {{.elements = 16, .units = {0}},
                                              {.elements = 16, .units = {1}}};
  EXPECT_THROW(bucket_of(plan_buckets(weights, {.gradients = DType::kF32}),
                         {.weight = 0}),
               Error);
}

}  // namespace
}  // namespace dure::parallel
