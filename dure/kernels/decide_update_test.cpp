#include "dure/kernels/decide_update.h"

#include <cmath>
#include <limits>

#include "dure/kernels/target_testing.h"
#include "dure/kernels/testing.h"

namespace dure::kernels {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// There are two rates for each of the updates 5 and 6; four updates have been
// made.
struct Decision {
  DecideUpdate op() {
    return {.control = tensor(control, {kDecisions + 2}),
            .outcome = Tensor(numbers.data(), {DecideUpdate::kOutcomes}),
            .counters = Tensor(counters.data(), {2}),
            .loss = ConstTensor(losses.digits().data(), {kSumDigits}),
            .squares = ConstTensor(squares.digits().data(), {kSumDigits}),
            .rates = tensor(rates, {std::ssize(rates) / 2, 2}),
            .first_update = ConstTensor(&first_update, {1}),
            .clip = 1};
  }

  // The decision about gradients of this norm.
  void decide(double loss,
              double norm,
              AfterNonfinite after = AfterNonfinite::kGoOn) {
    set(loss, norm);
    DecideUpdate with = op();
    with.after_nonfinite = after;
    launch_here(with);
  }

  void set(double loss, double norm) {
    losses = {};
    losses.add(loss);
    squares = {};
    squares.add(norm * norm);
  }

  UpdateOutcome outcome() const { return outcome_in(numbers); }

  ExactSum losses;
  ExactSum squares;
  Values rates = {0.5F, 50, 0.6F, 60};
  std::int64_t first_update = 5;
  std::vector<std::int64_t> counters = {4, 0};
  Values control = Values(kDecisions + 2);
  std::array<std::int64_t, DecideUpdate::kOutcomes> numbers = {};
};

using Integers = std::vector<std::int64_t>;

TEST(DecideUpdate, TakesTheRatesOfTheUpdateThatItIs) {
  Decision d;
  d.decide(2, 0.5);
  EXPECT_EQ(d.control, (Values{1, 1, update_number(5), 0.5F, 50}));
  EXPECT_EQ(d.outcome(), (UpdateOutcome{.is_made = true, .updates_after = 5}));
  d.decide(2, 0.5);
  EXPECT_EQ(d.control, (Values{1, 1, update_number(6), 0.6F, 60}));
  EXPECT_EQ(d.counters, (Integers{6, 0}));
  EXPECT_THROW(d.decide(2, 0.5), Error);  // the seventh has no rates
}

TEST(DecideUpdate, ClipsToTheNorm) {
  Decision d;
  d.decide(2, 4);
  EXPECT_EQ(d.control[kFactor], static_cast<float>(1 / (4 + 1e-6)));
}

TEST(DecideUpdate, LeavesOutWhatIsNotFiniteAndGoesOn) {
  Decision d;
  for (const auto& [loss, norm] :
       {std::pair(kNan, 1.0), {1.0, kNan}, {1.0, HUGE_VAL}}) {
    d.decide(loss, norm);
    EXPECT_EQ(d.control[kIsUpdated], 0);
    EXPECT_EQ(d.outcome(), (UpdateOutcome{.updates_after = 4}));
  }
  d.decide(1, 1);
  EXPECT_EQ(d.control, (Values{1, 1, update_number(5), 0.5F, 50}));
}

// The last good state stays in any case.
TEST(DecideUpdate, StopsForGood) {
  Decision d;
  d.decide(kNan, 1, AfterNonfinite::kStop);
  d.decide(1, 1, AfterNonfinite::kStop);
  EXPECT_EQ(d.control[kIsUpdated], 0);
  EXPECT_EQ(d.counters, (Integers{4, 1}));
  EXPECT_EQ(d.outcome(), (UpdateOutcome{.updates_after = 4}));
}

constexpr double kInfinity = HUGE_VAL;
constexpr LossScaleRule kMegatron = {.kind = LossScaleKind::kMegatron,
                                     .hysteresis = 2};
constexpr LossScaleRule kDeepSpeed = {.kind = LossScaleKind::kDeepSpeed,
                                      .hysteresis = 2};

// A decision under a loss scale. There are rates for any update.
struct ScaledDecision : Decision {
  ScaledDecision(const LossScaleRule& loss_scale_rule, float first)
      : rule(loss_scale_rule),
        scale(first),
        state(numbers_of(first_state(rule, first))) {
    rates = Values(10000);
  }

  DecideUpdate op() {
    DecideUpdate with = Decision::op();
    with.rule = rule;
    with.loss_scale = Tensor(&scale, {1});
    with.loss_scale_numbers = Tensor(state.data(), {kLossScaleNumbers});
    with.after_nonfinite = after_nonfinite;
    return with;
  }

  // A step whose gradients, without the scale, have this norm.
  UpdateOutcome step(double norm, double loss = 2) {
    set(loss, norm * scale);
    launch_here(op());
    return outcome();
  }
  UpdateOutcome overflow(int times) {
    for (int i = 0; i < times; ++i) {
      step(kInfinity);
    }
    return outcome();
  }

  LossScaleRule rule;
  float scale;
  std::array<std::int64_t, kLossScaleNumbers> state;
  AfterNonfinite after_nonfinite = AfterNonfinite::kStop;
};

TEST(DecideUpdate, TakesTheScaleOutOfGradientsAndTheirNorm) {
  ScaledDecision d(kMegatron, 1024);
  d.step(0.5);
  EXPECT_EQ(d.control[kFactor], 0x1p-10F);
  d.step(4);
  EXPECT_EQ(d.control[kFactor], static_cast<float>(1 / (4 + 1e-6) / 1024));
  EXPECT_EQ(d.outcome().updates_after, 6);
  EXPECT_EQ(d.outcome().scale_used, 1024);
  EXPECT_EQ(d.outcome().after.good_steps, 2);
}

// Published runs; numbers in loss_scale_test.cpp. Whether non-finite values
// stop updates is not asked.
TEST(DecideUpdate, SkipsOverflowsAndLowersTheScale) {
  for (const LossScaleRule& rule : {kMegatron, kDeepSpeed}) {
    ScaledDecision d(rule, 0x1p32F);
    EXPECT_EQ(d.overflow(1).scale_used, 0x1p32F);
    EXPECT_EQ(d.scale, 0x1p32F);
    EXPECT_EQ(d.overflow(9).after.scale, 8388608.0F);
    EXPECT_TRUE(d.outcome().is_overflow);
    EXPECT_FALSE(d.outcome().is_made);
    EXPECT_EQ(d.control[kIsUpdated], 0);
    EXPECT_EQ(d.overflow(6).after.scale, 131072.0F);
    EXPECT_EQ(d.overflow(1).after.scale, 65536.0F);
    for (int i = 0; i < 900; ++i) {
      EXPECT_TRUE(d.step(0.5).is_made);
    }
    EXPECT_EQ(
        d.outcome(),
        (UpdateOutcome{.is_made = true,
                       .updates_after = 904,
                       .scale_used = 65536,
                       .after = loss_scale_state(65536, d.state.data())}));
    EXPECT_EQ(d.counters, (Integers{904, 0}));
  }
}

TEST(DecideUpdate, EndsTheRunAtTheMinimumWhereTheRuleHasIt) {
  ScaledDecision d(kDeepSpeed, 0x1p32F);
  EXPECT_EQ(d.overflow(33).after.scale, 1);
  EXPECT_FALSE(d.outcome().ends_run);
  const auto state = d.state;
  EXPECT_TRUE(d.overflow(1).ends_run);
  EXPECT_TRUE(d.outcome().is_overflow);
  EXPECT_EQ(d.state, state);
  EXPECT_FALSE(d.step(0.5).is_made);
  EXPECT_FALSE(d.outcome().ends_run);
  EXPECT_EQ(d.counters, (Integers{4, 1}));
}

TEST(DecideUpdate, GoesOnAtTheMinimumOfMegatron) {
  ScaledDecision d(kMegatron, 0x1p32F);
  EXPECT_EQ(d.overflow(50).after.scale, 1);
  EXPECT_FALSE(d.outcome().ends_run);
  EXPECT_TRUE(d.step(0.5).is_made);
}

TEST(DecideUpdate, SkipsOverflowsOfAFixedScale) {
  ScaledDecision d({.kind = LossScaleKind::kFixed}, 1024);
  EXPECT_TRUE(d.overflow(3).is_overflow);
  EXPECT_TRUE(d.step(0.5).is_made);
  EXPECT_EQ(d.scale, 1024);
}

// The loss is of the forward: no scale would help, so none is lowered.
TEST(DecideUpdate, TakesALossThatIsNotFiniteForNoOverflow) {
  ScaledDecision d(kMegatron, 1024);
  d.after_nonfinite = AfterNonfinite::kGoOn;
  const auto state = d.state;
  for (const double norm : {0.5, kInfinity}) {
    EXPECT_EQ(d.step(norm, kNan),
              (UpdateOutcome{.updates_after = 4,
                             .scale_used = 1024,
                             .after = loss_scale_state(1024, state.data())}));
  }
  EXPECT_TRUE(d.step(0.5).is_made);
  d.after_nonfinite = AfterNonfinite::kStop;
  d.step(0.5, kNan);
  EXPECT_FALSE(d.step(0.5).is_made);
  EXPECT_FALSE(d.overflow(1).is_overflow);
  EXPECT_EQ(d.scale, 1024);
}

// A rank that decides alone uses it so.
TEST(DecideUpdate, HasNoOverflowsWithoutARule) {
  ScaledDecision d({}, 1024);
  d.step(0.5);
  EXPECT_EQ(d.control[kFactor], 0x1p-10F);
  EXPECT_FALSE(d.overflow(1).is_overflow);
  EXPECT_EQ(d.counters, (Integers{5, 1}));
}

TEST(DecideUpdate, RefusesARuleWithoutItsState) {
  ScaledDecision d(kMegatron, 1024);
  EXPECT_NO_THROW(check(d.op()));
  DecideUpdate op = d.op();
  op.loss_scale = {};
  EXPECT_THROW(check(op), Error);
  op = d.op();
  op.loss_scale_numbers = {};
  EXPECT_THROW(check(op), Error);
  op = d.op();
  op.rule.window = 0;
  EXPECT_THROW(check(op), Error);
}

TEST(UpdateOutcome, ComesBackFromItsNumbers) {
  constexpr UpdateOutcome kOutcome = {.is_made = true,
                                      .updates_after = 1,
                                      .is_overflow = true,
                                      .ends_run = true,
                                      .scale_used = 0x1p-30F,
                                      .after = {.scale = 0x1p127F,
                                                .good_steps = 2,
                                                .tracker = -3,
                                                .iteration = 4,
                                                .last_overflow = 5}};
  static_assert(outcome_in(numbers_of(kOutcome)) == kOutcome);
}

}  // namespace
}  // namespace dure::kernels
