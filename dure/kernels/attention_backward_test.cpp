
#include <gtest/gtest.h>

#include "dure/kernels/attention_testing.h"
#include "dure/kernels/target_testing.h"

namespace dure::kernels {
namespace {

// As in attention_test.cpp; d_p is one more sum of D, and d_qkv sums over S and
// over the heads that share a key head.
double units(const AttentionShape& shape) {
  return 16 * std::sqrt(static_cast<double>(
                  2 * shape.head_dim +
                  shape.sequence * (shape.heads / shape.kv_heads)));
}

void expect_reference(const AttentionCase& of) {
  AttentionOperands operands(of);
  launch_on_cpu(operands.forward());
  launch_on_cpu(operands.backward());
  expect_near(
      operands.d_qkv,
      reference_backward(of, doubles(operands.qkv), doubles(operands.d_y)),
      units(of.shape));
}

DropoutMask mask(float rate) {
  return mask_from("attention", rate, 11);
}

// The reference itself: of sum(y * weights).
TEST(AttentionBackward, ReferenceEqualsFiniteDifferences) {
  for (const float rate : {0.0F, 0.3F}) {
    const AttentionCase of = {.shape = {.batch = 2,
                                        .sequence = 5,
                                        .heads = 4,
                                        .kv_heads = 2,
                                        .head_dim = 3},
                              .mask = mask(rate)};
    const AttentionOperands operands(of);
    const Doubles d_y = doubles(operands.d_y);
    const auto loss = [&](const Doubles& qkv) {
      return inner(reference_forward(of, qkv).y, d_y);
    };
    const Doubles qkv = doubles(operands.qkv);
    expect_gradient(reference_backward(of, qkv, d_y), differences(qkv, loss));
  }
}

TEST(AttentionBackward, EqualsTheReferenceForEveryKindOfShape) {
  for (const AttentionShape& shape : kAttentionShapes) {
    SCOPED_TRACE(testing::Message()
                 << "S " << shape.sequence << " D " << shape.head_dim);
    expect_reference({.shape = shape, .mask = {}});
  }
}

TEST(AttentionBackward, DropsThePairsThatTheForwardDropped) {
  for (const AttentionShape& shape : kAttentionShapes) {
    SCOPED_TRACE(testing::Message()
                 << "S " << shape.sequence << " D " << shape.head_dim);
    expect_reference({.shape = shape, .mask = mask(0.25F)});
  }
}

TEST(AttentionBackward, EqualsTheReferenceOnEveryInstructionSet) {
  on_every_instruction_set([&] {
    expect_reference({.shape = kAttentionShapes[5], .mask = mask(0.5F)});
  });
}

TEST(AttentionBackward, GivesTheSameBitsOnAnyNumberOfThreads) {
  AttentionOperands operands(
      {.shape = kAttentionShapes[3], .mask = mask(0.1F)});
  launch_on_cpu(operands.forward());
  expect_same_bits_on_any_threads([&] {
    launch_on_cpu(operands.backward());
    return operands.d_qkv;
  });
}

TEST(AttentionBackward, OfPartsOfTheHeadsIsThatOfAllToTheBit) {
  AttentionOperands whole({.shape = kAttentionShapes[3], .mask = mask(0.25F)});
  launch_on_cpu(whole.forward());
  launch_on_cpu(whole.backward());
  for (const std::int64_t part : {0, 1}) {
    AttentionOperands half = part_of(whole, part, 2);
    launch_on_cpu(half.forward());
    launch_on_cpu(half.backward());
    EXPECT_EQ(half.d_qkv, part_of_qkv(whole.d_qkv, whole.of.shape, part, 2));
  }
}

TEST(AttentionBackward, TakesTimeOnTheSimulatorAndTouchesNothing) {
  AttentionOperands operands({.shape = kAttentionShapes[0], .mask = {}});
  launch_on_simulator(operands.backward());
  EXPECT_TRUE(std::isnan(operands.d_qkv[0]));
}

TEST(AttentionBackward, RefusesShapesThatDoNotAgree) {
  AttentionOperands operands({.shape = kAttentionShapes[3], .mask = {}});
  const auto refused = [&](const auto& change) {
    AttentionBackward op = operands.backward();
    change(op);
    EXPECT_THROW(check(op), Error);
  };
  EXPECT_NO_THROW(check(operands.backward()));
  refused([](AttentionBackward& op) { op.shape.kv_heads = 3; });
  refused([](AttentionBackward& op) { op.d_y = op.qkv; });
  refused([](AttentionBackward& op) { op.d_qkv = op.d_qkv.rows(0, 1); });
  refused([](AttentionBackward& op) { op.scratch = Tensor(); });
}

}  // namespace
}  // namespace dure::kernels
