#include "tests/parity_run.h"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <fmt/core.h>
#include <limits>
#include <mutex>
#include <string>

#include <gtest/gtest.h>

#include "dure/base/check.h"
#include "dure/kernels/transfer.h"
#include "dure/launch/run_ranks.h"
#include "dure/model/weights.h"
#include "dure/parallel/data/shards_testing.h"
#include "dure/parity/pieces.h"
#include "dure/run/check_replicas.h"
#include "dure/train/options.h"

namespace dure {
namespace {

using train::Config;
using train::Rank;
using train::Trainer;

// Puts elements of a rank's part to their places in the whole weight.
void put(const model::WeightSpec& spec,
         const mesh::Place& place,
         std::int64_t offset,
         ConstTensor piece,
         std::vector<float>& whole) {
  whole.resize(static_cast<std::size_t>(mesh::elements(spec.logical)));
  const mesh::LocalPart local(spec.shape, spec.placement, place);
  for (const mesh::Stretch& stretch :
       local.stretches(offset, piece.elements())) {
    for (std::int64_t i = 0; i < stretch.length; ++i) {
      const std::int64_t global = stretch.global + i;
      if (global < std::ssize(whole)) {
        whole[static_cast<std::size_t>(global)] =
            train::float_at(piece, stretch.local + i - offset);
      }
    }
  }
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// An overflow's gradients and norm may be no numbers.
template <std::floating_point T>
bool same(T a, T b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

template <typename T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(), [](const T& x, const T& y) {
        return same(x, y);
      });
}

// Infinite where only one is a finite number.
double difference(double a, double b) {
  if (same(a, b)) {
    return 0;
  }
  const double result = std::fabs(a - b);
  return std::isfinite(result) ? result : kInfinity;
}

double ratio(double difference, double size) {
  return difference == 0 || difference == kInfinity ? difference
                                                    : difference / size;
}

// With every digit; one nan is the same as another.
std::vector<std::string> texts(const std::vector<double>& values) {
  std::vector<std::string> result;
  for (const double value : values) {
    result.push_back(std::isnan(value) ? "nan" : fmt::format("{}", value));
  }
  return result;
}

bool same_report(const ParityOutcome& a, const ParityOutcome& b) {
  return same(a.losses, b.losses) && same(a.norms, b.norms) &&
         a.validation == b.validation && a.exponents == b.exponents;
}

}  // namespace

void collect(Rank& rank, train::RankModel& rank_model, ParityOutcome& outcome) {
  rank_model.store().wait();
  const mesh::Place place = rank.place();
  const auto specs = model::weights(rank_model.config(),
                                    place.part(mesh::Axis::kTensor).count);
  outcome.weights.resize(specs.size());
  outcome.gradients.resize(specs.size());
  for (const parallel::Shard& shard :
       shards_of(rank_model.store(),
                 {.master = parallel::Access::kRead,
                 .gradient = parallel::Access::kRead})) {
    const std::string& name = rank_model.parameters()[shard.weight].name;
    const auto spec =
        std::find_if(specs.begin(), specs.end(), [&](const auto& candidate) {
          return candidate.name == name;
        });
    const auto w = static_cast<std::size_t>(spec - specs.begin());
    const kernels::OnHost master(rank.stream, shard.master);
    const kernels::OnHost gradient(rank.stream, shard.gradient);
    put(*spec, place, shard.offset, master.tensor(), outcome.weights[w]);
    put(*spec, place, shard.offset, gradient.tensor(), outcome.gradients[w]);
  }
}

ParityOutcome run_config(const Config& config,
                         int steps,
                         std::int64_t evaluated) {
  ParityOutcome outcome;
  std::mutex mutex;
  const auto ranks = static_cast<int>(ranks_of(config.parallel));
  launch::run_ranks({.ranks = ranks}, [&](comm::Communicator& world) {
    train::RankOptions options = train::rank_options(config);
    options.world = &world;
    Rank rank(options);
    Trainer trainer(rank, config);
    const Walks data = small_data(config.model.vocabulary);
    ParityOutcome mine;
    for (int i = 0; i < steps; ++i) {
      const train::StepResult step = trainer.step(data);
      mine.losses.push_back(step.loss);
      mine.norms.push_back(step.grad_norm);
      mine.exponents.push_back(step.gradient_exponents);
    }
    mine.validation = trainer.evaluate(data, evaluated).value();
    check_replicas(rank, trainer);
    const std::lock_guard lock(mutex);
    DURE_CHECK(outcome.losses.empty() || same_report(mine, outcome),
               "ranks say different losses");
    outcome.losses = mine.losses;
    outcome.norms = mine.norms;
    outcome.validation = mine.validation;
    outcome.exponents = mine.exponents;
    collect(rank, trainer.rank_model(), outcome);
  });
  return outcome;
}

Config layout_config(Config config, const Layout& layout, comm::SumOrder sums) {
  config.parallel.sums = sums;
  config.optimizer.clip_gradient = 0.5;
  config.log.gradient_histogram_every = 2;
  return configured(std::move(config), layout);
}

ParityOutcome run_layout(Config config,
                         const Layout& layout,
                         int steps,
                         comm::SumOrder sums) {
  const Config resolved = layout_config(std::move(config), layout, sums);
  train::validate(resolved);
  train::validate_pipeline(resolved);
  return run_config(resolved, steps);
}

Layout alone(const Layout& layout) {
  return {.micro_batches = layout.data * layout.micro_batches};
}

bool is_same(const ParityOutcome& a, const ParityOutcome& b) {
  return same_report(a, b) && same(a.gradients, b.gradients) &&
         a.weights == b.weights;
}

void expect_same(const ParityOutcome& a, const ParityOutcome& b) {
  EXPECT_EQ(texts(a.losses), texts(b.losses));
  EXPECT_EQ(texts(a.norms), texts(b.norms));
  EXPECT_EQ(a.validation, b.validation);
  EXPECT_TRUE(a.exponents == b.exponents);
  EXPECT_TRUE(same(a.gradients, b.gradients));
  EXPECT_TRUE(a.weights == b.weights);
}

double worst_element(const Arrays& a, const Arrays& b) {
  double result = 0;
  for (std::size_t w = 0; w < a.size(); ++w) {
    EXPECT_EQ(a[w].size(), b[w].size());
    double largest = 0;
    double apart = 0;
    for (std::size_t i = 0; i < a[w].size(); ++i) {
      largest = std::max(largest, std::fabs(static_cast<double>(b[w][i])));
      apart = std::max(apart, difference(a[w][i], b[w][i]));
    }
    result = std::max(result, ratio(apart, largest));
  }
  return result;
}

double worst(const std::vector<double>& a, const std::vector<double>& b) {
  double result = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    result = std::max(result, ratio(difference(a[i], b[i]), std::fabs(b[i])));
  }
  return result;
}

}  // namespace dure
