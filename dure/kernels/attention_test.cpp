#include "dure/kernels/attention.h"

#include <gtest/gtest.h>

#include "dure/kernels/attention_testing.h"
#include "dure/kernels/target_testing.h"

namespace dure::kernels {
namespace {

// A score is a sum of D products, whose rounding is at most D units of
// sum_d |q_d k_d| * scale, itself some sqrt(D) for normal operands; it enters
// the probability as a relative error, and y is a mean of values with these
// probabilities, to which the sums over S keys add S units. With signs that
// cancel as they do in practice the square roots of both remain.
double units(const AttentionShape& shape) {
  return 8 * std::sqrt(static_cast<double>(shape.head_dim + shape.sequence));
}

void expect_reference(const AttentionCase& of) {
  AttentionOperands operands(of);
  const AttentionOutputs want = reference_forward(of, doubles(operands.qkv));
  launch_on_cpu(operands.forward());
  expect_near(operands.y, want.y, units(of.shape));
  expect_near(operands.lse, want.lse, units(of.shape));
}

TEST(Attention, EqualsTheReferenceForEveryKindOfShape) {
  for (const AttentionShape& shape : kAttentionShapes) {
    SCOPED_TRACE(testing::Message()
                 << "S " << shape.sequence << " D " << shape.head_dim);
    expect_reference({.shape = shape, .mask = {}});
  }
}

TEST(Attention, DropsByTheIndexOfThePair) {
  for (AttentionShape shape : kAttentionShapes) {
    SCOPED_TRACE(testing::Message()
                 << "S " << shape.sequence << " D " << shape.head_dim);
    expect_reference(
        {.shape = shape, .mask = mask_from("attention", 0.25F, 11)});
  }
}

TEST(Attention, EqualsTheReferenceOnEveryInstructionSet) {
  const AttentionCase of = {.shape = kAttentionShapes[5],
                            .mask = mask_from("attention", 0.5F)};
  on_every_instruction_set([&] { expect_reference(of); });
}

TEST(Attention, HoldsScoresWhoseExponentialsOverflow) {
  AttentionCase of = {.shape = kAttentionShapes[4], .mask = {}};
  AttentionOperands operands(of);
  for (float& value : operands.qkv) {
    value *= 10;  // scores of some hundreds, beyond f32's exp(88)
  }
  const AttentionOutputs want = reference_forward(of, doubles(operands.qkv));
  launch_on_cpu(operands.forward());
  // Errors of scores grow with them.
  expect_near(operands.y, want.y, 100 * units(of.shape));
  expect_near(operands.lse, want.lse, units(of.shape));
}

TEST(Attention, SeesNothingOfLaterPositions) {
  const AttentionCase of = {.shape = kAttentionShapes[7], .mask = {}};
  AttentionOperands operands(of);
  AttentionOperands changed(of);
  constexpr std::int64_t kChanged = 70;
  const auto first =
      static_cast<std::size_t>(kChanged * of.shape.qkv_columns());
  std::fill(changed.qkv.begin() + static_cast<std::ptrdiff_t>(first),
            changed.qkv.end(),
            1e6F);
  launch_on_cpu(operands.forward());
  launch_on_cpu(changed.forward());
  const auto unchanged =
      static_cast<std::size_t>(kChanged * of.shape.heads * of.shape.head_dim);
  for (std::size_t i = 0; i < unchanged; ++i) {
    ASSERT_EQ(operands.y[i], changed.y[i]);
  }
}

TEST(Attention, PassesOnWhatIsNotANumber) {
  const AttentionCase of = {.shape = kAttentionShapes[4], .mask = {}};
  AttentionOperands operands(of);
  operands.qkv[static_cast<std::size_t>(of.shape.heads * of.shape.head_dim)] =
      std::nanf("");
  launch_on_cpu(operands.forward());
  EXPECT_TRUE(std::isnan(operands.y.front()));  // every query sees key 0
  EXPECT_TRUE(std::isnan(operands.y[operands.y.size() - 128]));
}

TEST(Attention, GivesTheSameBitsOnAnyNumberOfThreads) {
  for (const std::size_t shape : {3U, 7U}) {  // one with more parts than heads
    AttentionOperands operands({.shape = kAttentionShapes[shape],
                                .mask = mask_from("attention", 0.1F)});
    expect_same_bits_on_any_threads([&] {
      launch_on_cpu(operands.forward());
      return std::pair(operands.y, operands.lse);
    });
  }
}

TEST(Attention, OfPartsOfTheHeadsIsThatOfAllToTheBit) {
  AttentionOperands whole(
      {.shape = kAttentionShapes[3], .mask = mask_from("attention", 0.25F, 5)});
  launch_on_cpu(whole.forward());
  for (const std::int64_t part : {0, 1}) {
    AttentionOperands half = part_of(whole, part, 2);
    launch_on_cpu(half.forward());
    EXPECT_EQ(half.y, part_of_heads(whole.y, whole.of.shape, part, 2));
  }
}

TEST(Attention, TakesTimeOnTheSimulatorAndTouchesNothing) {
  AttentionOperands operands({.shape = kAttentionShapes[0], .mask = {}});
  Attention op = operands.forward();
  launch_on_simulator(op);
  EXPECT_TRUE(std::isnan(operands.y[0]));
}

TEST(Attention, RefusesShapesThatDoNotAgree) {
  AttentionOperands operands({.shape = kAttentionShapes[3], .mask = {}});
  const auto refused = [&](const auto& change) {
    Attention op = operands.forward();
    change(op);
    EXPECT_THROW(check(op), Error);
  };
  EXPECT_NO_THROW(check(operands.forward()));
  refused([](Attention& op) { op.shape.kv_heads = 3; });
  refused([](Attention& op) { op.shape.kv_heads = 0; });
  refused([](Attention& op) { op.shape.part = 1; });
  refused([](Attention& op) { op.shape.sequence = 62; });
  refused([](Attention& op) { op.shape.head_dim = 47; });
  refused([](Attention& op) { op.lse = op.lse.rows(0, 5); });
  refused([](Attention& op) { op.scratch = op.scratch.rows(0, 100); });
  refused([](Attention& op) { op.mask.rate = 1; });
  refused([](Attention& op) { op.scale = -1; });
}

TEST(Attention, CostsTwoProductsForEachPairThatIsSeen) {
  AttentionOperands operands({.shape = kAttentionShapes[1], .mask = {}});
  // 2 sequences of 2 heads of 3 pairs; 8 wide; 2 products of 2 flops.
  EXPECT_EQ(cost(operands.forward()).flops, 2 * 2 * 3 * 8 * 2 * 2);
}

}  // namespace
}  // namespace dure::kernels
