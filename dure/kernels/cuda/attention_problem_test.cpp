#include "dure/kernels/cuda/attention_problem.h"

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dure/kernels/attention.h"

namespace dure::kernels {
namespace {

constexpr std::int64_t kB = 2;
constexpr std::int64_t kS = 5;
constexpr FusedHeads kFused = {
    .samples = kB, .heads = 4, .kv_heads = 2, .head_dim = 8};

// Operands in memory that is never read.
class Example {
 public:
  explicit Example(DType dtype = DType::kBf16, std::size_t skipped = 0)
      : qkv_(at(0x1000 + skipped), {kB * kS, kFused.columns()}, dtype),
        y_(at(0x8000), {kB * kS, kFused.heads * kFused.head_dim}, dtype),
        lse_(at(0x9000), {kB * kS, kFused.heads}, DType::kF32) {}

  AttentionInputs inputs() const {
    return {.q = heads_of_rows(ConstTensor(qkv_), kFused.q()),
            .k = heads_of_rows(ConstTensor(qkv_), kFused.k()),
            .v = heads_of_rows(ConstTensor(qkv_), kFused.v()),
            .scale = 0.5F};
  }
  Attention forward() const {
    return {.y = y_, .lse = lse_, .in = inputs(), .scratch = lse_};
  }
  AttentionBackward backward() const {
    return {.d_q = heads_of_rows(qkv_, kFused.q()),
            .d_k = heads_of_rows(qkv_, kFused.k()),
            .d_v = heads_of_rows(qkv_, kFused.v()),
            .d_y = y_,
            .y = y_,
            .lse = lse_,
            .in = inputs(),
            .scratch = lse_};
  }

 private:
  static void* at(std::uintptr_t address) {
    return reinterpret_cast<void*>(address);
  }

  Tensor qkv_;
  Tensor y_;
  Tensor lse_;
};

TEST(AttentionProblem, HasTheShapesAndStepsOfTheOperands) {
  const auto problem = problem_of(Example().forward());
  ASSERT_TRUE(problem);
  const HeadSteps fused = {.sample = kS * 64, .head = 8, .row = 64};
  const AttentionProblem want = {.pass = AttentionPass::kForward,
                                 .dtype = DType::kBf16,
                                 .samples = kB,
                                 .queries = kS,
                                 .keys = kS,
                                 .heads = 4,
                                 .kv_heads = 2,
                                 .head_dim = 8,
                                 .q = fused,
                                 .k = fused,
                                 .v = fused,
                                 .y = {.sample = kS * 32, .head = 8, .row = 32},
                                 .order = AttentionOrder::kCausal,
                                 .window = 0,
                                 .scale = 0.5F};
  EXPECT_EQ(*problem, want);
}

TEST(AttentionProblem, OfTheBackwardHasTheGradientsSteps) {
  const auto problem = problem_of(Example(DType::kF16).backward());
  ASSERT_TRUE(problem);
  EXPECT_EQ(problem->pass, AttentionPass::kBackward);
  EXPECT_EQ(problem->dtype, DType::kF16);
  EXPECT_EQ(problem->d_q, problem->q);
  EXPECT_EQ(problem->d_k, problem->k);
  EXPECT_EQ(problem->d_v, problem->v);
}

TEST(AttentionProblem, IsLeftToTheKernelsInF32AndWhereMemoryIsNotAligned) {
  EXPECT_FALSE(problem_of(Example(DType::kF32).forward()));
  EXPECT_FALSE(problem_of(Example(DType::kBf16, 8).forward()));
  EXPECT_FALSE(problem_of(Example(DType::kBf16, 8).backward()));
  EXPECT_TRUE(problem_of(Example(DType::kBf16, 16).backward()));
}

// All that cuDNN has no word for, or another meaning.
TEST(AttentionProblem, IsLeftToTheKernelsForEveryOtherPattern) {
  const std::vector<std::int32_t> numbers(kB * kS);
  const ConstTensor each(numbers.data(), {kB});
  const ConstTensor documents(numbers.data(), {kB, kS});
  const std::vector<float> slopes(4, 1.0F);
  const std::vector<std::uint8_t> seen(4, 1);
  const std::vector<std::pair<const char*, std::function<void(Attention&)>>>
      changes = {
          {"offset", [](Attention& op) { op.in.pattern.offset.value = 1; }},
          {"offsets", [&](Attention& op) { op.in.pattern.offset.each = each; }},
          {"prefix", [](Attention& op) { op.in.pattern.prefix.value = 2; }},
          {"prefixes",
           [&](Attention& op) { op.in.pattern.prefix.each = each; }},
          {"layout",
           [&](Attention& op) {
             op.in.pattern.layout = {.side = 4, .columns = 2, .seen = seen};
           }},
          {"documents",
           [&](Attention& op) { op.in.pattern.documents = documents; }},
          {"key lengths",
           [&](Attention& op) { op.in.pattern.key_lengths = each; }},
          {"slopes", [&](Attention& op) { op.in.bias.slopes = slopes; }},
          {"dropout", [](Attention& op) { op.mask.rate = 0.1F; }}};
  for (const auto& [name, change] : changes) {
    Attention op = Example().forward();
    change(op);
    EXPECT_FALSE(problem_of(op)) << name;
  }
}

TEST(AttentionProblem, HasAWindowIfItHidesKeys) {
  Attention op = Example().forward();
  op.in.pattern.window = kS - 1;
  EXPECT_EQ(problem_of(op)->window, kS - 1);
  op.in.pattern.window = kS;
  EXPECT_EQ(problem_of(op)->window, 0);
}

TEST(AttentionProblem, IsCutIntoEqualPartsOfSamplesFirstAndThenOfHeads) {
  const AttentionProblem problem = {.samples = 6, .heads = 12, .kv_heads = 4};
  const std::vector<AttentionSlice> want = {
      {6, 4}, {3, 4}, {1, 4}, {1, 2}, {1, 1}};
  EXPECT_EQ(slices_of(problem), want);
  const AttentionProblem part = part_of(problem, {1, 2});
  EXPECT_EQ(part.samples, 1);
  EXPECT_EQ(part.heads, 6);
  EXPECT_EQ(part.kv_heads, 2);
}

}  // namespace
}  // namespace dure::kernels
