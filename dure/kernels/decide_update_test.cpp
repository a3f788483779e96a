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
  void decide(double loss,
              double norm,
              AfterNonfinite after = AfterNonfinite::kGoOn) {
    ExactSum losses;
    losses.add(loss);
    ExactSum squares;
    squares.add(norm * norm);
    launch_on_cpu(DecideUpdate{
        .control = tensor(control, {kDecisions + 2}),
        .outcome = Tensor(outcome.data(), {2}),
        .counters = Tensor(counters.data(), {2}),
        .loss = ConstTensor(losses.digits().data(), {kSumDigits}),
        .squares = ConstTensor(squares.digits().data(), {kSumDigits}),
        .rates = tensor(rates, {2, 2}),
        .first_update = ConstTensor(&first_update, {1}),
        .clip = 1,
        .after_nonfinite = after});
  }

  Values rates = {0.5F, 50, 0.6F, 60};
  std::int64_t first_update = 5;
  std::vector<std::int64_t> counters = {4, 0};
  Values control = Values(kDecisions + 2);
  std::vector<std::int64_t> outcome = {-1, -1};
};

using Integers = std::vector<std::int64_t>;

TEST(DecideUpdate, TakesTheRatesOfTheUpdateThatItIs) {
  Decision d;
  d.decide(2, 0.5);
  EXPECT_EQ(d.control, (Values{1, 1, update_number(5), 0.5F, 50}));
  EXPECT_EQ(d.outcome, (Integers{1, 5}));
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
    EXPECT_EQ(d.outcome, (Integers{0, 4}));
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
  EXPECT_EQ(d.outcome, (Integers{0, 4}));
}

}  // namespace
}  // namespace dure::kernels
