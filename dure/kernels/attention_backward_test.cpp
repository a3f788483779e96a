#include <gtest/gtest.h>

#include "dure/kernels/attention_examples_testing.h"
#include "dure/kernels/attention_half_testing.h"
#include "dure/kernels/attention_testing.h"
#include "dure/kernels/target_testing.h"

namespace dure::kernels {
namespace {

// See attention_test.cpp; d_p is one more sum of D, and the gradients sum
// over S and over the heads that share a key head. A table's gradients sum over
// more terms, and their errors grow likewise.
double units(const AttentionSizes& sizes) {
  return 16 * std::sqrt(static_cast<double>(
                  2 * sizes.head_dim +
                  sizes.longest() * (sizes.heads / sizes.kv_heads)));
}

template <typename Numbers>
Numbers joined(Numbers first, const Numbers& second, const Numbers& third) {
  first.insert(first.end(), second.begin(), second.end());
  first.insert(first.end(), third.begin(), third.end());
  return first;
}

void expect_reference(const AttentionCase& of) {
  AttentionOperands operands(of);
  launch_here(operands.forward());
  launch_here(operands.backward());
  const AttentionDoubles want =
      reference_backward(of, operands.in_double(), doubles(operands.d_y));
  expect_near(joined(operands.d_q, operands.d_k, operands.d_v),
              joined(want.q, want.k, want.v),
              units(of.sizes));
  expect_near(operands.d_table, want.table, units(of.sizes));
}

DropoutMask mask(float rate) {
  return mask_from("attention", rate, 11);
}

std::tuple<Values, Values, Values, Values> gradients(
    AttentionOperands& operands) {
  launch_here(operands.forward());
  launch_here(operands.backward());
  return {operands.d_q, operands.d_k, operands.d_v, operands.d_table};
}

// Checks the reference itself, as the gradient of sum(y * weights).
void expect_differences(const AttentionCase& of) {
  const AttentionOperands operands(of);
  const Doubles d_y = doubles(operands.d_y);
  const AttentionDoubles in = operands.in_double();
  const AttentionDoubles gradient = reference_backward(of, in, d_y);
  for (const auto operand : kAttentionOperands) {
    const auto loss = [&](const Doubles& x) {
      AttentionDoubles changed = in;
      changed.*operand = x;
      return inner(reference_forward(of, changed).y, d_y);
    };
    expect_gradient(gradient.*operand, differences(in.*operand, loss));
  }
}

TEST(AttentionBackward, ReferenceEqualsFiniteDifferences) {
  for (const float rate : {0.0F, 0.3F}) {
    expect_differences({.sizes = square(2, 5, 4, 2, 3), .mask = mask(rate)});
  }
  AttentionSizes cross = square(2, 5, 4, 2, 3);
  cross.queries = 4;
  // The first query sees no key, and the last distances share a column.
  expect_differences({.sizes = cross,
                      .mask = {},
                      .pattern = {.offset = {-1}},
                      .slopes = {0.5F, 0.25F, 0.125F, 0.1F},
                      .distances = 2});
  expect_differences({.sizes = cross,
                      .mask = mask(0.3F),
                      .pattern = {.order = AttentionOrder::kFull},
                      .slopes = {},
                      .distances = 8,
                      .zero = 4});
}

TEST(AttentionBackward, EqualsTheReferenceForEveryKindOfShape) {
  for (const AttentionSizes& sizes : kAttentionSizes) {
    SCOPED_TRACE(testing::Message()
                 << "S " << sizes.queries << " D " << sizes.head_dim);
    expect_reference({.sizes = sizes});
  }
}

TEST(AttentionBackward, EqualsTheReferenceForEveryPatternAndBias) {
  for (const AttentionExample& example : attention_examples()) {
    SCOPED_TRACE(example.name);
    expect_reference(example.of);
  }
}

TEST(AttentionBackward, DropsThePairsThatTheForwardDropped) {
  for (const AttentionSizes& sizes : kAttentionSizes) {
    SCOPED_TRACE(testing::Message()
                 << "S " << sizes.queries << " D " << sizes.head_dim);
    expect_reference({.sizes = sizes, .mask = mask(0.25F)});
  }
  for (AttentionExample& example : attention_examples()) {
    SCOPED_TRACE(example.name);
    example.of.mask = mask(0.25F);
    expect_reference(example.of);
  }
}

TEST(AttentionBackward, EqualsTheReferenceOnEveryInstructionSet) {
  AttentionCase all_at_once = attention_examples().back().of;
  all_at_once.mask = mask(0.5F);
  on_every_instruction_set([&] {
    expect_reference({.sizes = kAttentionSizes[5], .mask = mask(0.5F)});
    expect_reference(all_at_once);
  });
}

TEST(AttentionBackward, GivesTheSameBitsOnAnyNumberOfThreads) {
  for (const std::int64_t distances : {0, 20}) {
    expect_same_bits_on_any_threads([&] {
      AttentionOperands operands({.sizes = kAttentionSizes[3],
                                  .mask = mask(0.1F),
                                  .distances = distances});
      return gradients(operands);
    });
  }
}

TEST(AttentionBackward, OfAWindowWiderThanTheSequenceIsCausalToTheBit) {
  const AttentionSizes sizes = square(2, 130, 2, 1, 16);
  AttentionOperands causal({.sizes = sizes});
  AttentionOperands window({.sizes = sizes, .pattern = {.window = 200}});
  EXPECT_EQ(gradients(causal), gradients(window));
}

// The gradients are in one matrix, as a layer's fused product needs them.
TEST(AttentionBackward, OfAFusedProductIsThatOfItsPartsToTheBit) {
  AttentionOperands operands({.sizes = kAttentionSizes[3]});
  const auto want = gradients(operands);
  const AttentionSizes& sizes = operands.of.sizes;
  const FusedHeads fused = {
      sizes.batch, sizes.heads, sizes.kv_heads, sizes.head_dim};
  const std::int64_t N = sizes.batch * sizes.queries;
  Values d_qkv = AttentionOperands::nans(N * fused.columns());
  AttentionBackward op = operands.backward();
  const Tensor matrix = tensor(d_qkv, {N, fused.columns()});
  op.d_q = heads_of_rows(matrix, fused.q());
  op.d_k = heads_of_rows(matrix, fused.k());
  op.d_v = heads_of_rows(matrix, fused.v());
  launch_here(op);
  std::size_t at = 0;
  for (std::int64_t n = 0; n < N; ++n) {
    for (const auto& [values, columns] :
         {std::pair(&operands.d_q, sizes.q().row_step),
          std::pair(&operands.d_k, sizes.k().row_step),
          std::pair(&operands.d_v, sizes.k().row_step)}) {
      for (std::int64_t c = 0; c < columns; ++c, ++at) {
        ASSERT_EQ(d_qkv[at],
                  (*values)[static_cast<std::size_t>(n * columns + c)]);
      }
    }
  }
}

TEST(AttentionBackward, AddsToTheGradientOfATable) {
  AttentionOperands operands({.sizes = kAttentionSizes[1], .distances = 2});
  gradients(operands);
  const Values once = operands.d_table;
  launch_here(operands.backward());
  for (std::size_t n = 0; n < once.size(); ++n) {
    EXPECT_NEAR(operands.d_table[n], 2 * once[n], 1e-6);
  }
}

TEST(AttentionBackward, OfPartsOfTheHeadsIsThatOfAllToTheBit) {
  AttentionOperands whole({.sizes = kAttentionSizes[3], .mask = mask(0.25F)});
  gradients(whole);
  const std::int64_t q = whole.of.sizes.q().row_step;
  const std::int64_t k = whole.of.sizes.k().row_step;
  for (const std::int64_t part : {0, 1}) {
    AttentionOperands half = part_of(whole, part, 2);
    gradients(half);
    EXPECT_EQ(half.d_q, part_of_heads(whole.d_q, q, part, 2));
    EXPECT_EQ(half.d_k, part_of_heads(whole.d_k, k, part, 2));
    EXPECT_EQ(half.d_v, part_of_heads(whole.d_v, k, part, 2));
  }
}

// The operands of the backward: those of the forward with its outputs, then
// d_y, d_q, d_k, d_v and d_table.
std::vector<Operand> backward_operands(AttentionOperands& of,
                                       OperandType table,
                                       OperandType d_table) {
  launch_here(of.forward());
  std::vector<Operand> operands = half_operands(of, table);
  operands.push_back({of.d_y, operands[0].shape});
  operands.push_back({of.d_q, operands[0].shape});
  operands.push_back({of.d_k, operands[1].shape});
  operands.push_back({of.d_v, operands[1].shape});
  operands.push_back(random_operand("d_table", operands[3].shape, d_table));
  return operands;
}

// The operation on backward_operands(), with its scratch.
class BackwardOnHalves {
 public:
  explicit BackwardOnHalves(AttentionOperands& operands)
      : operands_(operands) {}

  AttentionBackward operator()(const Tensors& t) const {
    AttentionBackward op = operands_.backward();
    op.in = inputs_from(operands_, t);
    op.y = t[4];
    op.lse = t[5];
    op.d_y = t[6];
    op.d_q.tensor = t[7];
    op.d_k.tensor = t[8];
    op.d_v.tensor = t[9];
    op.d_table = op.in.bias.table ? t[10] : Tensor();
    scratch_ = AttentionOperands::nans(
        attention_scratch(op.in, kScratchThreads, op.d_table.dtype()));
    op.scratch = tensor(scratch_, {static_cast<std::int64_t>(scratch_.size())});
    return op;
  }

 private:
  AttentionOperands& operands_;
  mutable Values scratch_;
};

TEST(AttentionBackward, RoundsHalvesOnce) {
  for (const AttentionExample& example : attention_half_examples()) {
    SCOPED_TRACE(example.name);
    AttentionOperands operands(example.of);
    for (const OperandType table : table_types(example.of)) {
      for (const OperandType d_table : table_types(example.of)) {
        expect_halves_rounded_once(backward_operands(operands, table, d_table),
                                   BackwardOnHalves(operands));
      }
    }
  }
}

TEST(AttentionBackward, OfAFusedProductRoundsHalvesOnce) {
  AttentionOperands operands({.sizes = kAttentionSizes[3]});
  const AttentionSizes& sizes = operands.of.sizes;
  const FusedHeads fused = {
      sizes.batch, sizes.heads, sizes.kv_heads, sizes.head_dim};
  const Shape matrix = {sizes.batch * sizes.queries, fused.columns()};
  std::vector<Operand> in =
      backward_operands(operands, OperandType::kHalf, OperandType::kHalf);
  in.push_back(random_operand("d_qkv", matrix));
  const BackwardOnHalves backward(operands);
  expect_halves_rounded_once(in, [&](const Tensors& t) {
    AttentionBackward op = backward(t);
    launch_here(op);  // writes operands 7 to 9, which are compared, too
    op.d_q = heads_of_rows(t[11], fused.q());
    op.d_k = heads_of_rows(t[11], fused.k());
    op.d_v = heads_of_rows(t[11], fused.v());
    return op;
  });
}

// The forward's y is that of the same operands, which Half holds.
template <typename Half>
void expect_reference_of(const AttentionCase& of) {
  AttentionOperands operands = rounded_operands<Half>(of);
  std::vector<Operand> in =
      backward_operands(operands, OperandType::kHalf, OperandType::kHalf);
  std::fill(in[10].values.begin(), in[10].values.end(), 0.0F);
  const auto results = results_of<Half>(in, BackwardOnHalves(operands));
  const AttentionDoubles want = reference_backward(
      of, doubles_from(results), doubles(results[6]), doubles(results[4]));
  expect_near_rounded<Half>(joined(results[7], results[8], results[9]),
                            joined(want.q, want.k, want.v),
                            units(of.sizes));
  expect_near_rounded<Half>(results[10], want.table, units(of.sizes));
}

TEST(AttentionBackward, OfHalvesEqualsTheReference) {
  for (const AttentionExample& example : attention_half_examples()) {
    SCOPED_TRACE(example.name);
    expect_reference_of<Bf16>(example.of);
    expect_reference_of<F16>(example.of);
  }
}

TEST(AttentionBackward, OfHalvesGivesTheSameBitsOnAnyNumberOfThreads) {
  expect_same_bits_on_any_threads([&] {
    AttentionOperands operands(
        {.sizes = kAttentionSizes[3], .mask = mask(0.1F), .distances = 20});
    return results_of<Bf16>(
        backward_operands(operands, OperandType::kF32, OperandType::kHalf),
        BackwardOnHalves(operands));
  });
}

// A gradient of a table of 16 bits is summed in scratch.
TEST(AttentionBackward, RefusesScratchWithoutRoomForTheSums) {
  AttentionOperands operands({.sizes = kAttentionSizes[3], .distances = 3});
  AttentionBackward op = operands.backward();
  const std::int64_t elements = attention_scratch(op.in, 1);
  op.scratch = op.scratch.rows(0, elements);
  EXPECT_NO_THROW(check(op));
  std::vector<Bf16> d_table(operands.table.size());
  op.d_table = Tensor(d_table.data(), op.d_table.shape());
  EXPECT_THROW(check(op), Error);
  EXPECT_GT(attention_scratch(op.in, 1, DType::kBf16), elements);
  EXPECT_EQ(attention_scratch(op.in, 1, DType::kF32), elements);
}

TEST(AttentionBackward, TakesTimeOnTheSimulatorAndTouchesNothing) {
  AttentionOperands operands({.sizes = kAttentionSizes[0]});
  launch_on_simulator(operands.backward());
  EXPECT_TRUE(std::isnan(operands.d_q[0]));
}

TEST(AttentionBackward, RefusesShapesThatDoNotAgree) {
  AttentionOperands operands({.sizes = kAttentionSizes[3], .distances = 3});
  const auto refused = [&](const auto& change) {
    AttentionBackward op = operands.backward();
    change(op);
    EXPECT_THROW(check(op), Error);
  };
  EXPECT_NO_THROW(check(operands.backward()));
  refused([](AttentionBackward& op) { op.in.k.at.heads = 3; });
  refused([](AttentionBackward& op) { op.d_y = op.d_y.rows(0, 1); });
  refused([](AttentionBackward& op) { op.d_q.at.rows = 1; });
  refused([](AttentionBackward& op) { op.d_v = op.d_q; });
  refused([](AttentionBackward& op) { op.d_k.at.row_step += 1; });
  refused([](AttentionBackward& op) { op.d_table = Tensor(); });
  refused([](AttentionBackward& op) { op.in.bias.table = {}; });
  refused([](AttentionBackward& op) { op.scratch = Tensor(); });
}

}  // namespace
}  // namespace dure::kernels
