#include "dure/kernels/attention.h"

#include <gtest/gtest.h>

#include "dure/kernels/attention_examples_testing.h"
#include "dure/kernels/attention_half_testing.h"
#include "dure/kernels/attention_testing.h"
#include "dure/kernels/target_testing.h"

namespace dure::kernels {
namespace {

// A score is a sum of D products. Its rounding is at most D units of sum_d |q_d
// k_d| * scale, which is some sqrt(D) for normal operands. It enters the
// probability as a relative error. y is a mean of values with these
// probabilities, and the sums over S keys add S units. Because signs cancel in
// practice, the square roots of both remain. A bias is rounded in units of the
// score, and is large where the probability is 0.
double units(const AttentionSizes& sizes) {
  return 8 * std::sqrt(static_cast<double>(sizes.head_dim + sizes.longest()));
}

// Queries that see no key have the same lse, -inf.
void expect_lse(Values actual, Doubles expected, double units) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (std::isinf(expected[i])) {
      EXPECT_EQ(double{actual[i]}, expected[i]) << "at element " << i;
      actual[i] = 0;
      expected[i] = 0;
    }
  }
  expect_near(actual, expected, units);
}

void expect_reference(const AttentionCase& of) {
  AttentionOperands operands(of);
  const AttentionOutputs want = reference_forward(of, operands.in_double());
  launch_here(operands.forward());
  expect_near(operands.y, want.y, units(of.sizes));
  expect_lse(operands.lse, want.lse, units(of.sizes));
}

// Compares y and lse of two cases with the same operands.
void expect_same_bits(const AttentionCase& one, const AttentionCase& other) {
  AttentionOperands a(one);
  AttentionOperands b(other);
  launch_here(a.forward());
  launch_here(b.forward());
  EXPECT_EQ(a.y, b.y);
  EXPECT_EQ(a.lse, b.lse);
}

TEST(Attention, EqualsTheReferenceForEveryKindOfShape) {
  for (const AttentionSizes& sizes : kAttentionSizes) {
    SCOPED_TRACE(testing::Message()
                 << "S " << sizes.queries << " D " << sizes.head_dim);
    expect_reference({.sizes = sizes});
  }
}

TEST(Attention, EqualsTheReferenceForEveryPatternAndBias) {
  for (const AttentionExample& example : attention_examples()) {
    SCOPED_TRACE(example.name);
    expect_reference(example.of);
  }
}

TEST(Attention, DropsByTheIndexOfThePair) {
  for (const AttentionSizes& sizes : kAttentionSizes) {
    SCOPED_TRACE(testing::Message()
                 << "S " << sizes.queries << " D " << sizes.head_dim);
    expect_reference(
        {.sizes = sizes, .mask = mask_from("attention", 0.25F, 11)});
  }
  for (AttentionExample& example : attention_examples()) {
    SCOPED_TRACE(example.name);
    example.of.mask = mask_from("attention", 0.25F, 11);
    expect_reference(example.of);
  }
}

TEST(Attention, EqualsTheReferenceOnEveryInstructionSet) {
  const AttentionCase causal = {.sizes = kAttentionSizes[5],
                                .mask = mask_from("attention", 0.5F)};
  AttentionCase all_at_once = attention_examples().back().of;
  all_at_once.mask = causal.mask;
  on_every_instruction_set([&] {
    expect_reference(causal);
    expect_reference(all_at_once);
  });
}

TEST(Attention, HoldsScoresWhoseExponentialsOverflow) {
  AttentionCase of = {.sizes = kAttentionSizes[4]};
  AttentionOperands operands(of);
  for (Values* values : {&operands.q, &operands.k, &operands.v}) {
    for (float& value : *values) {
      value *= 10;  // scores of some hundreds, beyond f32's exp(88)
    }
  }
  const AttentionOutputs want = reference_forward(of, operands.in_double());
  launch_here(operands.forward());
  // The errors of scores grow with them.
  expect_near(operands.y, want.y, 100 * units(of.sizes));
  expect_near(operands.lse, want.lse, units(of.sizes));
}

TEST(Attention, SeesNothingOfLaterPositions) {
  const AttentionCase of = {.sizes = kAttentionSizes[7]};
  AttentionOperands operands(of);
  AttentionOperands changed(of);
  constexpr std::int64_t kChanged = 70;
  const std::int64_t first = kChanged * of.sizes.k().row_step;
  for (Values* values : {&changed.q, &changed.k, &changed.v}) {
    std::fill(values->begin() + first, values->end(), 1e6F);
  }
  launch_here(operands.forward());
  launch_here(changed.forward());
  const auto unchanged =
      static_cast<std::size_t>(kChanged * of.sizes.q().row_step);
  for (std::size_t i = 0; i < unchanged; ++i) {
    ASSERT_EQ(operands.y[i], changed.y[i]);
  }
}

// Keys beyond the length are NaN here.
TEST(Attention, ReadsNothingBeyondAKeyLength) {
  static const std::vector<std::int32_t> kLengths = {77, 130};
  AttentionSizes sizes = square(2, 130, 2, 1, 16);
  const AttentionCase of = {.sizes = sizes,
                            .pattern = {.order = AttentionOrder::kFull,
                                        .key_lengths = {kLengths.data(), {2}}}};
  AttentionOperands operands(of);
  AttentionOperands changed(of);
  for (Values* values : {&changed.k, &changed.v}) {
    std::fill(
        values->begin() + 77 * 16, values->begin() + 130 * 16, std::nanf(""));
  }
  launch_here(operands.forward());
  launch_here(changed.forward());
  EXPECT_EQ(operands.y, changed.y);
}

TEST(Attention, PassesOnWhatIsNotANumber) {
  const AttentionCase of = {.sizes = kAttentionSizes[4]};
  AttentionOperands operands(of);
  operands.k.front() = std::nanf("");
  launch_here(operands.forward());
  EXPECT_TRUE(std::isnan(operands.y.front()));  // every query sees key 0
  EXPECT_TRUE(std::isnan(operands.y[operands.y.size() - 128]));
}

TEST(Attention, GivesTheSameBitsOnAnyNumberOfThreads) {
  for (const std::size_t size : {3U, 7U}) {  // one with more parts than heads
    AttentionOperands operands(
        {.sizes = kAttentionSizes[size], .mask = mask_from("attention", 0.1F)});
    expect_same_bits_on_any_threads([&] {
      launch_here(operands.forward());
      return std::pair(operands.y, operands.lse);
    });
  }
}

TEST(Attention, OfPartsOfTheHeadsIsThatOfAllToTheBit) {
  AttentionOperands whole(
      {.sizes = kAttentionSizes[3], .mask = mask_from("attention", 0.25F, 5)});
  launch_here(whole.forward());
  const std::int64_t columns = whole.of.sizes.q().row_step;
  for (const std::int64_t part : {0, 1}) {
    AttentionOperands half = part_of(whole, part, 2);
    launch_here(half.forward());
    EXPECT_EQ(half.y, part_of_heads(whole.y, columns, part, 2));
  }
}

// q, k and v are in one matrix, as a layer's fused product makes them.
TEST(Attention, OfAFusedProductIsThatOfItsPartsToTheBit) {
  AttentionOperands operands({.sizes = kAttentionSizes[3]});
  launch_here(operands.forward());
  const AttentionSizes& sizes = operands.of.sizes;
  const FusedHeads fused = {
      sizes.batch, sizes.heads, sizes.kv_heads, sizes.head_dim};
  const std::int64_t N = sizes.batch * sizes.queries;
  Values qkv;
  for (std::int64_t n = 0; n < N; ++n) {
    for (const auto& [values, columns] :
         {std::pair(&operands.q, sizes.q().row_step),
          std::pair(&operands.k, sizes.k().row_step),
          std::pair(&operands.v, sizes.k().row_step)}) {
      const auto row = values->begin() + n * columns;
      qkv.insert(qkv.end(), row, row + columns);
    }
  }
  const ConstTensor matrix(qkv.data(), {N, fused.columns()});
  const Values y = operands.y;
  Attention op = operands.forward();
  op.in.q = heads_of_rows(matrix, fused.q());
  op.in.k = heads_of_rows(matrix, fused.k());
  op.in.v = heads_of_rows(matrix, fused.v());
  launch_here(op);
  EXPECT_EQ(operands.y, y);
}

TEST(Attention, OfPatternsThatHideTheSameIsTheSameToTheBit) {
  const AttentionSizes sizes = square(2, 130, 2, 1, 16);
  const AttentionCase causal = {.sizes = sizes};
  const auto with = [&](const AttentionPattern& pattern) {
    return AttentionCase{.sizes = sizes, .pattern = pattern};
  };
  const std::vector<std::int32_t> one_document(260, 5);
  const std::vector<std::int32_t> all_keys = {130, 130};
  const std::vector<std::uint8_t> all_squares(9, 1);
  expect_same_bits(causal, with({.window = 130}));
  expect_same_bits(causal, with({.prefix = {1}}));
  expect_same_bits(causal,
                   with({.documents = {one_document.data(), {2, 130}}}));
  expect_same_bits(causal, with({.key_lengths = {all_keys.data(), {2}}}));
  expect_same_bits(
      causal,
      with({.layout = {.side = 50, .columns = 3, .seen = all_squares}}));
  expect_same_bits(with({.prefix = {130}}),
                   with({.order = AttentionOrder::kFull}));
}

TEST(Attention, OfTheLastQuerySeesAllKeysInEitherOrder) {
  AttentionSizes sizes = square(2, 130, 2, 1, 16);
  sizes.queries = 1;
  expect_same_bits(
      {.sizes = sizes, .pattern = {.order = AttentionOrder::kFull}},
      {.sizes = sizes, .pattern = {.offset = {129}}});
}

TEST(Attention, OfSlopesIsThatOfATableOfThemToTheBit) {
  const AttentionSizes sizes = square(2, 130, 2, 1, 16);
  AttentionOperands slopes({.sizes = sizes, .slopes = {0.5F, 0.3F}});
  AttentionOperands table({.sizes = sizes, .distances = 130});
  for (std::size_t n = 0; n < table.table.size(); ++n) {
    table.table[n] = -slopes.of.slopes[n / 130] * static_cast<float>(n % 130);
  }
  launch_here(slopes.forward());
  launch_here(table.forward());
  EXPECT_EQ(slopes.y, table.y);
}

// The operation on half_operands().
auto forward_on(AttentionOperands& operands) {
  return [&](const Tensors& t) {
    Attention op = operands.forward();
    op.in = inputs_from(operands, t);
    op.y = t[4];
    op.lse = t[5];
    return op;
  };
}

TEST(Attention, RoundsHalvesOnce) {
  for (const AttentionExample& example : attention_half_examples()) {
    SCOPED_TRACE(example.name);
    AttentionOperands operands(example.of);
    for (const OperandType table : table_types(example.of)) {
      expect_halves_rounded_once(half_operands(operands, table),
                                 forward_on(operands));
    }
  }
}

TEST(Attention, OfAFusedProductRoundsHalvesOnce) {
  AttentionOperands operands({.sizes = kAttentionSizes[3]});
  const AttentionSizes& sizes = operands.of.sizes;
  const FusedHeads fused = {
      sizes.batch, sizes.heads, sizes.kv_heads, sizes.head_dim};
  const std::int64_t N = sizes.batch * sizes.queries;
  expect_halves_rounded_once(
      {random_operand("qkv", {N, fused.columns()}),
       random_operand("y", {N, sizes.heads * sizes.head_dim}),
       random_operand("lse", {N, sizes.heads}, OperandType::kF32)},
      [&](const Tensors& t) {
        Attention op = operands.forward();
        op.in.q = heads_of_rows(t[0], fused.q());
        op.in.k = heads_of_rows(t[0], fused.k());
        op.in.v = heads_of_rows(t[0], fused.v());
        op.y = t[1];
        op.lse = t[2];
        return op;
      });
}

template <typename Half>
void expect_reference_of(const AttentionCase& of) {
  AttentionOperands operands(of);
  const auto results = results_of<Half>(
      half_operands(operands, OperandType::kHalf), forward_on(operands));
  const AttentionOutputs want = reference_forward(of, doubles_from(results));
  expect_near_rounded<Half>(results[4], want.y, units(of.sizes));
  expect_lse(results[5], want.lse, units(of.sizes));
}

TEST(Attention, OfHalvesEqualsTheReference) {
  for (const AttentionExample& example : attention_half_examples()) {
    SCOPED_TRACE(example.name);
    expect_reference_of<Bf16>(example.of);
    expect_reference_of<F16>(example.of);
  }
}

TEST(Attention, RefusesOperandsOfOtherTypes) {
  AttentionOperands operands({.sizes = kAttentionSizes[3], .distances = 3});
  std::vector<Rounded<Bf16>> halves;
  for (const Operand& operand : half_operands(operands, OperandType::kHalf)) {
    halves.emplace_back(operand);
  }
  const auto with = [&](const auto& change) {
    Attention op = operands.forward();
    op.in.q.tensor = halves[0].tensor();
    op.in.k.tensor = halves[1].tensor();
    op.in.v.tensor = halves[2].tensor();
    op.y = halves[4].tensor();
    change(op);
    return op;
  };
  const auto refused = [&](const auto& change) {
    EXPECT_THROW(check(with(change)), Error);
  };
  Values wide = operands.q;
  std::vector<double> doubles_of_q(operands.q.size());
  const Shape rows = operands.inputs().q.tensor.shape();
  EXPECT_NO_THROW(check(with([](Attention&) {})));
  EXPECT_NO_THROW(check(
      with([&](Attention& op) { op.in.bias.table = halves[3].tensor(); })));
  refused([&](Attention& op) { op.y = tensor(wide, rows); });
  refused([&](Attention& op) { op.in.q.tensor = tensor(wide, rows); });
  refused([&](Attention& op) { op.in.k.tensor = operands.inputs().k.tensor; });
  refused([&](Attention& op) { op.lse = halves[5].tensor(); });
  refused([&](Attention& op) {
    op = operands.forward();
    op.in.bias.table = halves[3].tensor();
  });
  refused([&](Attention& op) {
    op = operands.forward();
    op.in.q.tensor = Tensor(doubles_of_q.data(), rows);
  });
}

TEST(Attention, CostsTheBytesOfItsTypes) {
  AttentionOperands operands({.sizes = square(1, 1, 1, 1, 8)});
  EXPECT_EQ(cost(operands.forward()).bytes, 4 * (4 * 8 + 1));
  results_of<Bf16>(half_operands(operands, OperandType::kHalf),
                   [&](const Tensors& t) {
                     const Attention op = forward_on(operands)(t);
                     EXPECT_EQ(cost(op).bytes, 2 * (4 * 8) + 4);
                     return op;
                   });
}

TEST(Attention, TakesTimeOnTheSimulatorAndTouchesNothing) {
  AttentionOperands operands({.sizes = kAttentionSizes[0]});
  Attention op = operands.forward();
  launch_on_simulator(op);
  EXPECT_TRUE(std::isnan(operands.y[0]));
}

TEST(Attention, RefusesShapesThatDoNotAgree) {
  AttentionOperands operands(
      {.sizes = kAttentionSizes[3], .slopes = {1, 1, 1, 1}, .distances = 3});
  const auto refused = [&](const auto& change) {
    Attention op = operands.forward();
    change(op);
    EXPECT_THROW(check(op), Error);
  };
  EXPECT_NO_THROW(check(operands.forward()));
  refused([](Attention& op) { op.in.k.at.heads = op.in.v.at.heads = 3; });
  refused([](Attention& op) { op.in.k.at.heads = op.in.v.at.heads = 0; });
  refused([](Attention& op) { op.in.v.at.rows = 62; });
  refused([](Attention& op) { op.in.k.at.samples = 1; });
  refused([](Attention& op) { op.in.k.at.row_step += 1; });
  refused([](Attention& op) { op.in.q.at.first = 1; });
  refused([](Attention& op) { op.in.part = 1; });
  refused([](Attention& op) { op.in.q.at.rows = 62; });
  refused([](Attention& op) { op.in.q.at.head_dim = 47; });
  refused([](Attention& op) { op.in.pattern.window = 0; });
  refused(
      [](Attention& op) { op.in.bias.slopes = op.in.bias.slopes.first(3); });
  refused(
      [](Attention& op) { op.in.bias.table = op.in.bias.table.rows(0, 3); });
  refused([](Attention& op) { op.in.bias.zero = 3; });
  refused([](Attention& op) { op.lse = op.lse.rows(0, 5); });
  refused([](Attention& op) { op.scratch = op.scratch.rows(0, 100); });
  refused([](Attention& op) { op.mask.rate = 1; });
  refused([](Attention& op) { op.in.scale = -1; });
}

// These numbers are in tensor memory, so a launch is the first to see them.
TEST(Attention, RefusesNumbersThatAreOutOfRange) {
  using Numbers = std::vector<std::int32_t>;
  const auto launch_with = [](const AttentionPattern& pattern) {
    AttentionOperands operands(
        {.sizes = square(2, 10, 2, 1, 8), .pattern = pattern});
    launch_here(operands.forward());
    launch_here(operands.backward());
  };
  const auto tensor_of = [](const Numbers& numbers) {
    return ConstTensor(numbers.data(), {2});
  };
  const Numbers early = {0, -5};
  const Numbers late = {0, 1};
  const Numbers short_prefixes = {2, 0};
  const Numbers long_prefixes = {2, 3};
  const Numbers too_few = {-1, 10};
  const Numbers too_many = {10, 11};
  const Numbers ids(20, 5);
  const std::vector<std::uint8_t> squares(4, 1);
  const BlockLayout layout = {.side = 5, .columns = 2, .seen = squares};
  const ConstTensor documents(ids.data(), {2, 10});
  const auto refused = [&](const AttentionPattern& pattern) {
    EXPECT_THROW(launch_with(pattern), Error);
  };
  EXPECT_NO_THROW(launch_with({.offset = {0, tensor_of(early)},
                               .prefix = {2, tensor_of(short_prefixes)}}));
  refused({.offset = {0, tensor_of(late)}});
  refused({.prefix = {2, tensor_of(long_prefixes)}});
  refused({.key_lengths = tensor_of(too_few)});
  refused({.key_lengths = tensor_of(too_many)});
  refused({.offset = {0, tensor_of(early)}, .layout = layout});
  refused({.offset = {0, tensor_of(early)}, .documents = documents});
}

TEST(Attention, CostsTwoProductsForEachPairThatIsSeen) {
  AttentionOperands operands({.sizes = kAttentionSizes[1]});
  // There are 2 sequences of 2 heads of 3 pairs, 8 wide; 2 products of 2 flops.
  EXPECT_EQ(cost(operands.forward()).flops, 2 * 2 * 3 * 8 * 2 * 2);
  for (const AttentionExample& example : attention_examples()) {
    AttentionOperands some(example.of);
    const AttentionInputs in = some.inputs();
    const double seen = 2 * 2 * pairs(in.pattern, in.lengths());
    EXPECT_EQ(cost(some.forward()).flops, seen * 4 * 16) << example.name;
    EXPECT_EQ(cost(some.backward()).flops, seen * 10 * 16) << example.name;
  }
}

}  // namespace
}  // namespace dure::kernels
