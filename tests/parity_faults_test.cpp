// A reduction that is left out, done twice, or done over the wrong ranks is
// found by `dure parity`, whichever reduction of a step it is.

#include <algorithm>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/kernels/exact_sum.h"
#include "dure/model/weights.h"
#include "dure/nn/scale_norm.h"
#include "dure/optim/lamb.h"
#include "dure/optim/sgd.h"
#include "dure/parity/configs.h"
#include "dure/parity/parity.h"
#include "tests/faulty_communicator.h"
#include "tests/layout.h"
#include "tests/small_run.h"

namespace dure {
namespace {

using comm::SumOrder;
using train::Config;
using train::ParityReport;

// Which reductions of a layout are done wrongly.
enum class Which : std::uint8_t { kAll, kWeightSums, kGains };

struct Case {
  const char* name;
  Layout layout;
  const char* has;  // what is among its reductions
  SumOrder sums = SumOrder::kRanked;
  const optim::OptimizerRow* optimizer = &optim::kSgd;
  // One has every reduction. Where weights are held to no bound, the loss of
  // the second tells of them.
  std::int64_t steps = 1;
  Which which = Which::kAll;
  std::int64_t kv_heads = 0;
  const nn::NormRow* norm = nullptr;  // null: the family's

  friend std::ostream& operator<<(std::ostream& out, const Case& of) {
    return out << text(of.layout);
  }
};

// Every axis, every stage of ZeRO, and their combinations; both orders of sums,
// which are two programs.
std::vector<Case> cases() {
  return {
      {.name = "Data", .layout = {.data = 4}, .has = "all_to_all"},
      {.name = "DataFast",
       .layout = {.data = 4},
       .has = "f32, sum on group \"data replicate 0\"",
       .sums = SumOrder::kFast},
      {.name = "Zero1",
       .layout = {.data = 4, .zero = 1, .micro_batches = 2},
       .has = "all_to_all"},
      {.name = "Zero2", .layout = {.data = 4, .zero = 2}, .has = "all_to_all"},
      {.name = "Zero2Fast",
       .layout = {.data = 4, .zero = 2},
       .has = "reduce_scatter",
       .sums = SumOrder::kFast},
      {.name = "Zero3", .layout = {.data = 4, .zero = 3}, .has = "all_to_all"},
      {.name = "HierarchicalZero",
       .layout = {.data = 4, .zero = 2, .zero_group = 2},
       .has = "all_to_all"},
      {.name = "HierarchicalZeroFast",
       .layout = {.data = 4, .zero = 3, .zero_group = 2},
       .has = "f32, sum on group \"data replicate 0\"",
       .sums = SumOrder::kFast},
      {.name = "Tensor",
       .layout = {.data = 2, .tensor = 2},
       .has = "f32, max on group \"tensor 0\""},
      {.name = "TensorRowsCut",
       .layout = {.data = 2, .tensor = 2, .sequence = true},
       .has = "reduce_scatter"},
      // Two of four ranks hold the same keys, and sum their gradients.
      {.name = "SharedKeys",
       .layout = {.tensor = 4, .sequence = true},
       .has = "on group \"tensor 1\"",
       .kv_heads = 2},
      // This layout has a tied embedding.
      {.name = "Pipeline", .layout = {.pipe = 2, .data = 2}, .has = "recv of"},
      {.name = "PipelineFast",
       .layout = {.pipe = 2, .data = 2},
       .has = "f32, sum on group \"tied 0\"",
       .sums = SumOrder::kFast},
      {.name = "All",
       .layout =
           {.pipe = 2, .data = 2, .tensor = 2, .sequence = true, .zero = 1},
       .has = "i64, sum on group \"control 0\""},
      {.name = "Lamb",
       .layout = {.data = 4, .zero = 2},
       .has = "all_to_all",
       .optimizer = &optim::kLamb},
      {.name = "LambTensor",
       .layout = {.tensor = 2},
       .has = "i64, sum on group \"tensor 0\"",
       .optimizer = &optim::kLamb,
       .steps = 2,
       .which = Which::kWeightSums},
      // The terms of a gain's gradient cancel, so that a fault is small beside
      // them.
      {.name = "OnlyGains",
       .layout = {.tensor = 2, .sequence = true},
       .has = "all_reduce of 1 f32, sum",
       .which = Which::kGains,
       .norm = &nn::kScaleNorm},
  };
}

// A part of it is a multiple of 128 tokens: four tensor ranks have some each.
constexpr std::int64_t kVocabulary = 500;

Config config_of(const Case& of) {
  Config config = of.kv_heads > 0 ? small_llama() : small_gpt();
  config.model.layers = of.layout.pipe;  // what one does, others do again
  config.model.hidden = 16;
  config.model.vocabulary = kVocabulary;
  config.model.kv_heads = of.kv_heads;
  config.model.max_sequence = 8;
  config.data.sequence = 8;
  config.optimizer.name = of.optimizer;
  config.optimizer.learning_rate = 0.1;
  config.optimizer.clip_gradient = 0.1;  // so that the norm counts
  config.parallel.sums = of.sums;
  if (of.norm != nullptr) {
    config.model.norm = of.norm;
    config.model.norm_bias = model::NormBias::kAutomatic;
  }
  return configured(std::move(config), of.layout);
}

// Along the tensor axis; along the data axis, whole and in pairs.
std::vector<std::vector<std::vector<int>>> stand_ins_of(const Config& config) {
  const mesh::Mesh mesh = train::mesh_of(
      config.parallel, static_cast<int>(train::ranks_of(config.parallel)));
  std::vector<std::vector<std::vector<int>>> all;
  if (mesh.size(mesh::Axis::kTensor) > 1) {
    all.push_back(mesh.groups({mesh::Axis::kTensor}));
  }
  const auto data = mesh.groups({mesh::Axis::kData});
  if (data.front().size() > 1) {
    all.push_back(data);
  }
  if (data.front().size() == 4) {
    std::vector<std::vector<int>> neighbours;
    std::vector<std::vector<int>> strided;
    for (const std::vector<int>& group : data) {
      neighbours.push_back({group[0], group[1]});
      neighbours.push_back({group[2], group[3]});
      strided.push_back({group[0], group[2]});
      strided.push_back({group[1], group[3]});
    }
    all.push_back(neighbours);
    all.push_back(strided);
  }
  return all;
}

class ParityFaults : public testing::TestWithParam<Case> {
 protected:
  // The report, or the error that ended the run.
  struct Outcome {
    std::optional<ParityReport> report = {};
    std::string error = {};

    bool agrees() const { return report && !report->difference; }
    std::string text() const {
      return report && report->difference ? describe(*report->difference)
                                          : error;
    }
  };

  Outcome run(std::optional<ReductionSite> site, Fault fault) {
    const FaultOptions options = {.stand_ins = stand_ins_of(config_),
                                  .site = std::move(site),
                                  .fault = fault};
    const auto ranks =
        static_cast<std::size_t>(train::ranks_of(config_.parallel));
    std::vector<SeenReductions> seen(ranks);
    Outcome outcome;
    try {
      outcome.report = train::run_parity(
          {.layout = config_,
           .reference = train::one_rank_of(config_),
           .dataset = &data_,
           .steps = GetParam().steps,
           .comm = {.timeout_seconds = 20},
           .wrap = [&](comm::Communicator& world) {
             return make_faulty(
                 world, options, seen[static_cast<std::size_t>(world.rank())]);
           }});
    } catch (const Error& error) {
      outcome.error = error.what();
    }
    if (!options.site) {
      seen_ = std::move(seen);
    }
    return outcome;
  }

  // The reductions of all ranks.
  std::map<ReductionSite, comm::Reduction> sites() const {
    std::map<ReductionSite, comm::Reduction> sites;
    for (const SeenReductions& of_rank : seen_) {
      for (const auto& [site, seen] : of_rank) {
        sites.emplace(site, seen.reduction);
      }
    }
    return sites;
  }

  // Whether it sums what an optimizer measures of whole weights.
  bool is_weight_sums(const ReductionSite& site) const {
    const auto weights = std::ssize(model::weights(config_.model));
    const std::int64_t digits =
        weights * optim::kWeightSums * kernels::kSumDigits;
    return site.what == fmt::format("all_reduce of {} i64, sum", digits);
  }

  // Whether such a fault can't change what is computed.
  bool is_harmless(const ReductionSite& site,
                   comm::Reduction reduction,
                   Fault fault) const {
    if (fault != Fault::kTwice) {
      return false;
    }
    const bool greatest = reduction == comm::Reduction::kMax ||
                          reduction == comm::Reduction::kMin;
    // The greatest of what is the greatest already; and LAMB divides one of its
    // sums by the other.
    return greatest || is_weight_sums(site);
  }

  bool is_wanted(const ReductionSite& site) const {
    switch (GetParam().which) {
      case Which::kAll:
        return true;
      case Which::kWeightSums:
        return is_weight_sums(site);
      case Which::kGains:
        return site.what == "all_reduce of 1 f32, sum";
    }
    return false;
  }

  // Whether there are ranks to be summed over instead, which come to this
  // reduction, too: of ranks that own other parts not all do.
  bool is_possible(const ReductionSite& site, Fault fault) const {
    return fault != Fault::kOverAnotherGroup ||
           std::ranges::all_of(seen_, [&](const SeenReductions& of_rank) {
             const auto found = of_rank.find(site);
             return found == of_rank.end() || have(found->second.others, site);
           });
  }
  bool have(const std::vector<int>& ranks, const ReductionSite& site) const {
    return !ranks.empty() && std::ranges::all_of(ranks, [&](int rank) {
      return seen_[static_cast<std::size_t>(rank)].contains(site);
    });
  }

  Config config_ = config_of(GetParam());
  Walks data_ = Walks(4096, 8, kVocabulary);
  std::vector<SeenReductions> seen_;  // by rank, without a fault
};

INSTANTIATE_TEST_SUITE_P(Layouts,
                         ParityFaults,
                         testing::ValuesIn(cases()),
                         [](const auto& of) {
                           return std::string(of.param.name);
                         });

// Numbers of the host count, too: the loss of an evaluation is among them
// ("control"). Others are in no parity run, as no number of a training follows
// from them: HostRanks::any of a stop that was asked for (run/run.cpp), the
// sum of peak flops (run/step_report.cpp), and HostRanks::least, by which
// ranks agree on the name of what is not finite (Trainer::leave_out), and in
// fp16 on whether a weight is (Trainer::find_overflow).
TEST_P(ParityFaults, EveryFaultIsFound) {
  const Outcome clean = run({}, Fault::kLeftOut);
  ASSERT_TRUE(clean.agrees()) << clean.text();
  std::string all;
  int faults = 0;
  for (const auto& [site, reduction] : sites()) {
    all += text(site) + "\n";
    for (const Fault fault : kFaults) {
      if (!is_wanted(site) || !is_possible(site, fault) ||
          is_harmless(site, reduction, fault)) {
        continue;
      }
      ++faults;
      EXPECT_FALSE(run(site, fault).agrees())
          << text(site) << ", " << name_of(fault);
    }
  }
  EXPECT_THAT(all, testing::HasSubstr(GetParam().has));
  EXPECT_GT(faults, 0);
}

// The terms of scalenorm's gradient cancel to less than their roundings for one
// gain in some dozens, so the bound is relative to the terms.
TEST(OnlyGains, OfTensorRanksAreWithinTheBoundsInSixteenBits) {
  for (const train::PrecisionConfig& precision :
       {train::PrecisionConfig{.compute = train::Compute::kBf16},
        train::PrecisionConfig{.compute = train::Compute::kFp16,
        .loss_scale = 1024}}) {
    double worst = 0;  // as a share of the bound
    for (std::int64_t seed = 1; seed <= 20; ++seed) {
      Config config = small_gpt();
      config.model.norm = &nn::kScaleNorm;
      config.optimizer.name = &optim::kSgd;
      config.optimizer.learning_rate = 0.05;
      config.parallel.sums = SumOrder::kRanked;
      config.precision = precision;
      config.train.seed = seed;
      config = configured(std::move(config), {.tensor = 2, .micro_batches = 2});
      const Walks data = small_data();
      const ParityReport report =
          train::run_parity({.layout = config,
                             .reference = train::one_rank_of(config),
                             .dataset = &data,
                             .steps = 2});
      EXPECT_FALSE(report.difference)
          << seed << ": " << describe(*report.difference);
      for (const train::ParityStep& step : report.steps) {
        worst = std::max(
            worst,
            step.gradient_difference /
                *report.rule.bound(train::Quantity::kGradient, step.step));
      }
    }
    fmt::print("the worst gradient is at {:.3f} of its bound\n", worst);
  }
}

// Gradients that this rank alone has: which one, where, and both values.
TEST(ParityDifference, NamesStepWeightElementAndValues) {
  const train::ParityDifference difference = {
      .step = 2,
      .quantity = train::Quantity::kGradient,
      .weight = "blocks.0.mlp.up.weight",
      .element = 35,
      .index = {2, 3},
      .here = 0.5,
      .reference = 0.25,
      .scale = 2,
      .bound = 1e-5,
      .rank = 1};
  EXPECT_EQ(describe(difference),
            "step 2: the gradient of blocks.0.mlp.up.weight, element 35 (at "
            "[2, 3]) is 0.5 on rank 1 of the layout, and 0.25 on the "
            "reference: 0.25 apart, 0.125 of the largest element; "
            "docs/numerics.md allows 1e-05");
  const train::ParityDifference loss = {.step = 1,
                                        .quantity = train::Quantity::kLoss,
                                        .here = 3,
                                        .reference = 2,
                                        .scale = 2,
                                        .bound = 0};
  EXPECT_EQ(describe(loss),
            "step 1: the loss is 3 on rank 0 of the layout, and 2 on the "
            "reference: 1 apart, 0.5 of the reference's; docs/numerics.md "
            "allows no difference");
}

}  // namespace
}  // namespace dure
