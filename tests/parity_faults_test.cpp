// A reduction that is left out, done twice, or done over the wrong ranks is
// found by `dure parity`, whichever reduction of a step it is.

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/optim/lamb.h"
#include "dure/optim/sgd.h"
#include "dure/train/parity.h"
#include "tests/faulty_communicator.h"
#include "tests/layout.h"
#include "tests/small_run.h"

namespace dure {
namespace {

using train::Config;
using train::ParityReport;
using train::Sums;

// Steps: one has every reduction; where weights are held to no bound, it is the
// second one's loss that tells of them.
struct Case {
  const char* name;
  Layout layout;
  Sums sums = Sums::kRanked;
  const optim::OptimizerRow* optimizer = &optim::kSgd;
  std::int64_t steps = 1;
  std::int64_t kv_heads = 0;

  friend std::ostream& operator<<(std::ostream& out, const Case& of) {
    return out << text(of.layout);
  }
};

// Every axis, every stage of ZeRO, and their combinations; both orders of sums,
// which are two programs.
std::vector<Case> cases() {
  return {
      {"Data", {.data = 4}},
      {"DataFast", {.data = 4}, Sums::kFast},
      {"Zero1", {.data = 2, .zero = 1, .micro_batches = 2}},
      {"Zero2", {.data = 4, .zero = 2}},
      {"Zero2Fast", {.data = 4, .zero = 2}, Sums::kFast},
      {"Zero3", {.data = 4, .zero = 3}},
      {"HierarchicalZero", {.data = 4, .zero = 2, .zero_group = 2}},
      {"HierarchicalZeroFast",
       {.data = 4, .zero = 3, .zero_group = 2},
       Sums::kFast},
      {"Tensor", {.data = 2, .tensor = 2}},
      {"TensorRowsCut", {.data = 2, .tensor = 2, .sequence = true}},
      {"SharedKeys",
       {.tensor = 4, .sequence = true},
       Sums::kRanked,
       &optim::kSgd,
       1,
       2},
      {"Pipeline", {.pipe = 2, .data = 2}},
      {"PipelineFast", {.pipe = 2, .data = 2}, Sums::kFast},
      {"All", {.pipe = 2, .data = 2, .tensor = 2, .sequence = true, .zero = 1}},
      {"Lamb", {.data = 4, .zero = 2}, Sums::kRanked, &optim::kLamb},
      {"LambTensor", {.tensor = 2}, Sums::kRanked, &optim::kLamb, 2},
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
  // What it says, or the error that ended it.
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

  // What any rank has reduced.
  std::map<ReductionSite, comm::Reduction> sites() const {
    std::map<ReductionSite, comm::Reduction> sites;
    for (const SeenReductions& of_rank : seen_) {
      for (const auto& [site, seen] : of_rank) {
        sites.emplace(site, seen.reduction);
      }
    }
    return sites;
  }

  // Whether such a fault can't change what is computed: the greatest of what is
  // the greatest already.
  static bool is_harmless(comm::Reduction reduction, Fault fault) {
    return fault == Fault::kTwice && (reduction == comm::Reduction::kMax ||
                                      reduction == comm::Reduction::kMin);
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

TEST_P(ParityFaults, EveryFaultIsFound) {
  const Outcome clean = run({}, Fault::kLeftOut);
  ASSERT_TRUE(clean.agrees()) << clean.text();
  ASSERT_FALSE(sites().empty());
  int faults = 0;
  for (const auto& [site, reduction] : sites()) {
    for (const Fault fault : kFaults) {
      if (!is_possible(site, fault) || is_harmless(reduction, fault)) {
        continue;
      }
      const auto t0 = std::chrono::steady_clock::now();
      const Outcome outcome = run(site, fault);
      std::printf(
          "TIME %.2f %s %s: %s\n",
          std::chrono::duration<double>(std::chrono::steady_clock::now() - t0)
              .count(),
          text(site).c_str(),
          name_of(fault),
          outcome.text().c_str());
      ++faults;
      EXPECT_FALSE(outcome.agrees()) << text(site) << ", " << name_of(fault);
    }
  }
  RecordProperty("sites", static_cast<int>(sites().size()));
  RecordProperty("faults", faults);
}

}  // namespace
}  // namespace dure
