// The histogram of the gradients' exponents (train/gradient_exponents.h): what
// is counted, on any layout. That layouts have equal histograms is in what all
// parity tests compare (expect_same).

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/model/count.h"
#include "tests/parity_run.h"

namespace dure {
namespace {

using parallel::ScheduleKind;
using train::Compute;
using train::Config;
using train::ExponentHistogram;
using train::GradientExponents;
using train::KeptIn;

std::int64_t parameters(const Config& config) {
  return model::count(config.model).published;
}

Config in_fp16(Config config, double scale) {
  config.precision = {.compute = Compute::kFp16, .loss_scale = scale};
  return config;
}

// The histogram of the values divided by the scale. A division in double is
// near enough: a quotient of floats that is no power of two is a share of 2^-25
// or more away from one.
ExponentHistogram by_the_library(const Arrays& arrays, double scale) {
  std::map<int, std::int64_t> counts;
  for (const std::vector<float>& values : arrays) {
    for (const float value : values) {
      if (value != 0) {
        ++counts[std::ilogb(value / scale)];
      }
    }
  }
  ExponentHistogram histogram = {.first = counts.begin()->first};
  for (const auto& [exponent, count] : counts) {
    const auto place = static_cast<std::size_t>(exponent - histogram.first);
    histogram.counts.resize(place + 1);
    histogram.counts[place] = count;
  }
  return histogram;
}

std::int64_t zeros_in(const Arrays& arrays) {
  std::int64_t zeros = 0;
  for (const std::vector<float>& values : arrays) {
    zeros += std::ranges::count(values, 0.0F);
  }
  return zeros;
}

// The gradients that the store has after the last step are those of its loss
// times the scale.
void expect_histogram_of_gradients(const ParityOutcome& outcome, double scale) {
  const GradientExponents& found = outcome.exponents.back().value();
  EXPECT_EQ(found.nonfinite, 0);
  EXPECT_EQ(found.zeros, zeros_in(outcome.gradients));
  EXPECT_EQ(found.unscaled, by_the_library(outcome.gradients, scale));
  if (found.scaled) {
    EXPECT_EQ(*found.scaled, by_the_library(outcome.gradients, 1));
  }
}

TEST(GradientHistogram, IsThatOfTheGradientsWithAndWithoutTheScale) {
  const Layout layout = {.data = 2, .zero = 2, .micro_batches = 2};
  const ParityOutcome fp32 = run_layout(small_gpt(), layout, 2);
  EXPECT_FALSE(fp32.exponents.front());  // of step 1, which is not counted
  EXPECT_FALSE(fp32.exponents.back()->scaled);
  expect_histogram_of_gradients(fp32, 1);
  for (const double scale : {1024.0, 1000.0, 0x1p-3}) {
    SCOPED_TRACE(scale);
    const ParityOutcome fp16 =
        run_layout(in_fp16(small_gpt(), scale), layout, 2);
    EXPECT_TRUE(fp16.exponents.back()->scaled);
    expect_histogram_of_gradients(fp16, scale);
  }
  Config halves = in_fp16(small_llama(), 1024);
  halves.precision.gradients = KeptIn::kCompute;
  halves.precision.reduce = KeptIn::kCompute;
  const ParityOutcome fp16 = run_layout(halves, layout, 2);
  expect_histogram_of_gradients(fp16, 1024);
  EXPECT_EQ(fp16.exponents.back()->scaled->share_below(train::kLeastOfFp16), 0);
}

// Every element once: tied weights, replicas, shards, rows that pad the
// vocabulary, what tensor ranks hold alike.
TEST(GradientHistogram, HasEachElementOfTheModelOnceOnEveryLayout) {
  const std::vector<Layout> layouts = {
      {.micro_batches = 4},
      {.data = 2, .micro_batches = 2},
      {.data = 4, .zero = 1},
      {.data = 4, .zero = 2, .zero_group = 2},
      {.data = 4, .zero = 3},
      {.pipe = 2, .data = 2, .zero = 1, .micro_batches = 2},
      {.pipe = 2, .schedule = ScheduleKind::kZbV, .micro_batches = 4},
      {.tensor = 2, .micro_batches = 4},
      {.tensor = 4, .sequence = true, .micro_batches = 4},
      {.pipe = 2, .tensor = 2, .sequence = true, .micro_batches = 4},
      {.data = 2, .tensor = 4, .zero = 3, .micro_batches = 2}};
  for (Config (*model)() : {small_gpt, small_llama}) {
    // There are blocks for two chunks on each of two stages.
    Config config = model();
    config.model.layers = 4;
    for (const Layout& layout : layouts) {
      SCOPED_TRACE(text(layout));
      const ParityOutcome outcome = run_layout(config, layout, 2);
      EXPECT_EQ(outcome.exponents.back()->elements(), parameters(config));
      expect_histogram_of_gradients(outcome, 1);
    }
  }
}

TEST(GradientHistogram, ChangesNoBitOfARun) {
  for (const Config& config : {small_gpt(), in_fp16(small_gpt(), 1024)}) {
    const Layout layout = {.pipe = 2, .data = 2, .zero = 1, .micro_batches = 2};
    Config resolved = configured(config, layout);
    ParityOutcome without = run_config(resolved, 4);
    resolved.log.gradient_histogram_every = 1;
    const ParityOutcome with = run_config(resolved, 4);
    for (std::size_t step = 0; step < 4; ++step) {
      EXPECT_FALSE(without.exponents[step]);
      EXPECT_TRUE(with.exponents[step]);
    }
    without.exponents = with.exponents;
    expect_same(with, without);
  }
}

TEST(GradientHistogram, SaysWhatOverflowed) {
  Config config = in_fp16(small_gpt(), train::kDynamicScale);
  config = configured(config, {});
  config.log.gradient_histogram_every = 1;
  const ParityOutcome outcome = run_config(config, 1);  // a scale of 2^32
  EXPECT_GT(outcome.exponents.back()->nonfinite, 0);
  EXPECT_EQ(outcome.exponents.back()->elements(), parameters(config));
}

}  // namespace
}  // namespace dure
