#include "dure/kernels/embedding.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <string>
#include <tuple>

#include "dure/kernels/half_testing.h"
#include "dure/kernels/testing.h"

namespace dure::kernels {
namespace {

using Ids = std::vector<std::int32_t>;

ConstTensor tensor(const Ids& ids) {
  return {ids.data(), {static_cast<std::int64_t>(ids.size())}};
}

// N rows of C, with tables of kV tokens and kS positions; ids repeat.
struct Problem {
  static constexpr std::int64_t kV = 13;
  static constexpr std::int64_t kS = 7;

  Problem(std::int64_t rows, std::int64_t columns)
      : N(rows),
        C(columns),
        token(random_values(kV * C, "token")),
        position(random_values(kS * C, "position")),
        y(static_cast<std::size_t>(N * C)),
        d_y(random_values(N * C, "d_y")),
        d_token(random_values(kV * C, "d_token")),
        d_position(random_values(kS * C, "d_position")) {
    for (std::int32_t n = 0; n < N; ++n) {
      ids.push_back(n * n % kV);
      positions.push_back(n % kS);
    }
  }

  Embedding forward_op() {
    return {.y = kernels::tensor(y, {N, C}),
            .ids = tensor(ids),
            .token = kernels::tensor(token, {kV, C}),
            .token_rows = {.all = kV},
            .positions = tensor(positions),
            .position = kernels::tensor(position, {kS, C})};
  }
  EmbeddingBackward token_backward_op() {
    return {.d_table = kernels::tensor(d_token, {kV, C}),
            .d_y = kernels::tensor(d_y, {N, C}),
            .indices = tensor(ids),
            .rows = {.all = kV}};
  }
  EmbeddingBackward position_backward_op() {
    return {.d_table = kernels::tensor(d_position, {kS, C}),
            .d_y = kernels::tensor(d_y, {N, C}),
            .indices = tensor(positions),
            .rows = {.all = kS}};
  }

  std::int64_t N, C;
  Ids ids, positions;
  Values token, position, y, d_y, d_token, d_position;
};

float at(const Values& table,
         std::int64_t row,
         std::int64_t C,
         std::int64_t c) {
  return table[static_cast<std::size_t>(row * C + c)];
}

// There is one addition, so the result is exact.
TEST(Embedding, AddsTheRowsOfTokenAndPosition) {
  for (const std::int64_t C : {1, 3, 17, 64, 1000}) {
    Problem p(41, C);
    launch_here(p.forward_op());
    Embedding tokens_alone = p.forward_op();
    Values y(p.y.size());
    tokens_alone.y = kernels::tensor(y, {p.N, C});
    tokens_alone.position = {};
    launch_here(tokens_alone);
    for (std::int64_t n = 0; n < p.N; ++n) {
      const auto i = static_cast<std::size_t>(n);
      for (std::int64_t c = 0; c < C; ++c) {
        const float token = at(p.token, p.ids[i], C, c);
        ASSERT_EQ(at(p.y, n, C, c),
                  token + at(p.position, p.positions[i], C, c));
        ASSERT_EQ(at(y, n, C, c), token);
      }
    }
  }
}

// Adds d_y[n] to rows[ids[n]], one after another, as the header promises;
// exact.
void add_rows(Values& rows, const Ids& ids, const Problem& p) {
  for (std::int64_t n = 0; n < p.N; ++n) {
    for (std::int64_t c = 0; c < p.C; ++c) {
      rows[static_cast<std::size_t>(ids[static_cast<std::size_t>(n)] * p.C +
                                    c)] += at(p.d_y, n, p.C, c);
    }
  }
}

TEST(EmbeddingBackward, AddsRowsInTheirOrder) {
  for (const std::int64_t C : {1, 3, 17, 64, 1000}) {
    Problem p(41, C);
    Values d_token = p.d_token;
    Values d_position = p.d_position;
    add_rows(d_token, p.ids, p);
    add_rows(d_position, p.positions, p);
    launch_here(p.token_backward_op());
    launch_here(p.position_backward_op());
    ASSERT_EQ(p.d_token, d_token);
    ASSERT_EQ(p.d_position, d_position);
  }
}

// The tables have 5, 5 and 3 rows. A rank looks up 0 for ids of the others, so
// the sum is exact; each row's gradient is in one of the tables.
TEST(Embedding, IsTheSumOfLookupsInPartsOfTheTable) {
  Problem p(41, 17);
  launch_here(p.forward_op());
  Values sum(p.y.size());
  Problem parts = p;
  for (const std::int64_t first : {0, 5, 10}) {
    const std::int64_t held = std::min<std::int64_t>(5, Problem::kV - first);
    Embedding op = parts.forward_op();
    op.token = op.token.rows(first, held);
    op.token_rows.first = first;
    op.position = first == 5 ? op.position : ConstTensor();
    launch_here(op);
    for (std::size_t i = 0; i < sum.size(); ++i) {
      sum[i] += parts.y[i];
    }
    EmbeddingBackward backward = parts.token_backward_op();
    backward.d_table = backward.d_table.rows(first, held);
    backward.rows.first = first;
    launch_here(backward);
  }
  EXPECT_EQ(sum, p.y);
  launch_here(p.token_backward_op());
  EXPECT_EQ(parts.d_token, p.d_token);
}

// An example of a vocabulary of 50,000 on two ranks: the first does not have
// positions 2 and 4, the second has only these.
TEST(Embedding, MasksIdsOfAnotherRank) {
  const Ids ids = {0, 241, 43312, 3231, 28791, 3};
  constexpr std::int64_t kHeld = 25000;
  Values table(2 * kHeld);
  for (std::size_t v = 0; v < table.size(); ++v) {
    table[v] = 1 + static_cast<float>(v);
  }
  const auto look_up = [&](std::int64_t rank) {
    Values y(6, -1.0F);
    launch_here(Embedding{
        .y = kernels::tensor(y, {6, 1}),
        .ids = tensor(ids),
        .token =
            ConstTensor(table.data() + rank * kHeld, {kHeld, std::int64_t{1}}),
        .token_rows = {.first = rank * kHeld, .all = 2 * kHeld}});
    return y;
  };
  EXPECT_EQ(look_up(0), (Values{1, 242, 0, 3232, 0, 4}));
  EXPECT_EQ(look_up(1), (Values{0, 0, 43313, 0, 28792, 0}));
}

// <embedding(table), d_y> is linear in the table, so its gradient is exact, and
// its differences are, too.
TEST(EmbeddingBackward, IsTheDerivative) {
  Problem p(5, 3);
  p.d_token.assign(p.d_token.size(), 0.0F);
  launch_here(p.token_backward_op());
  const Doubles want = differences(doubles(p.token), [&](const Doubles& token) {
    double sum = 0;
    for (std::size_t i = 0; i < p.d_y.size(); ++i) {
      const auto row = static_cast<std::size_t>(p.ids[i / 3]);
      sum += token[row * 3 + i % 3] * p.d_y[i];
    }
    return sum;
  });
  expect_near(p.d_token, want, 4);
}

TEST(Embedding, GivesTheSameBitsOnAnyNumberOfThreads) {
  expect_same_bits_on_any_threads([] {
    Problem p(67, 1001);
    launch_here(p.forward_op());
    launch_here(p.token_backward_op());
    launch_here(p.position_backward_op());
    return std::tuple(p.y, p.d_token, p.d_position);
  });
}

TEST(Embedding, RoundsHalvesOnce) {
  const Problem p(41, 17);
  const Operand token = random_operand("token", {Problem::kV, 17});
  const Operand position = random_operand("position", {Problem::kS, 17});
  for (const OperandType residual : kResidualTypes) {
    const Operand y = random_operand("y", {41, 17}, residual);
    expect_halves_rounded_once({y, token, position}, [&](const Tensors& t) {
      return Embedding{.y = t[0],
                       .ids = tensor(p.ids),
                       .token = t[1],
                       .token_rows = {.all = Problem::kV},
                       .positions = tensor(p.positions),
                       .position = t[2]};
    });
  }
}

// The gradient of the rows of a table from `first` on, of an operand t[0].
EmbeddingBackward backward_of(const Tensors& t,
                              const Ids& ids,
                              std::int64_t first = 0) {
  return {.d_table = t[0],
          .d_y = t[1],
          .indices = tensor(ids),
          .rows = {.first = first, .all = Problem::kV}};
}

// Ids repeat, and the sum of all rows of an id is rounded once, also in a part
// of the table.
TEST(EmbeddingBackward, RoundsHalvesOnce) {
  const Problem p(41, 17);
  for (const OperandType sums : kSumTypes) {
    for (const OperandType residual : kResidualTypes) {
      for (const std::int64_t first : {0, 4}) {
        expect_halves_rounded_once(
            {random_operand("d_table", {Problem::kV - first, 17}, sums),
             random_operand("d_y", {41, 17}, residual)},
            [&](const Tensors& t) { return backward_of(t, p.ids, first); });
      }
    }
  }
}

TEST(EmbeddingBackward, GivesTheSameBitsOnAnyNumberOfThreadsInTwoTypes) {
  const Problem p(67, 1001);
  expect_same_bits_on_any_threads([&] {
    return results_of<Bf16>(
        {random_operand("d_table", {Problem::kV, 1001}),
         random_operand("d_y", {67, 1001}, OperandType::kF32)},
        [&](const Tensors& t) { return backward_of(t, p.ids); });
  });
}

// In bf16 256 + 1 is 256, so a sum that is rounded for each row stops there.
TEST(EmbeddingBackward, DoesNotLoseTheRowsOfAFrequentId) {
  constexpr std::int64_t kRows = 4096;
  const Ids ids(kRows, 3);
  const std::vector<Values> results = results_of<Bf16>(
      {{.values = Values(Problem::kV), .shape = {Problem::kV, 1}},
       {.values = Values(kRows, 1.0F), .shape = {kRows, 1}}},
      [&](const Tensors& t) { return backward_of(t, ids); });
  Values want(Problem::kV);
  want[3] = kRows;
  EXPECT_EQ(results[0], want);
}

// The sum in f64. That in f32 has as many roundings as an id has rows, and then
// there is the one to the table's type; each is of at most the sum of the
// absolute values.
template <typename Half>
void expect_sums_in(OperandType sums, OperandType residual) {
  const Problem p(1000, 3);
  const std::vector<Operand> operands =
      in_memory<Half>({random_operand("d_table", {Problem::kV, 3}, sums),
                       random_operand("d_y", {p.N, 3}, residual)});
  Doubles sum = doubles(operands[0].values);
  Doubles magnitude = sum;
  Doubles roundings(sum.size(), units_of_rounding<Half>(sums));
  for (double& value : magnitude) {
    value = std::abs(value);
  }
  for (std::size_t i = 0; i < operands[1].values.size(); ++i) {
    const std::size_t to = static_cast<std::size_t>(p.ids[i / 3]) * 3 + i % 3;
    sum[to] += operands[1].values[i];
    magnitude[to] += std::abs(operands[1].values[i]);
    roundings[to] += 1;
  }
  std::vector<Expected> want;
  for (std::size_t i = 0; i < sum.size(); ++i) {
    want.push_back({sum[i], roundings[i] * kUnit * magnitude[i]});
  }
  const auto results = results_of<Half>(
      operands, [&](const Tensors& t) { return backward_of(t, p.ids); });
  expect_near(results[0], want);
}

TEST(EmbeddingBackward, IsTheSumInAnyTypes) {
  on_every_instruction_set([] {
    for (const OperandType sums : kSumTypes) {
      for (const OperandType residual : kResidualTypes) {
        expect_sums_in<Bf16>(sums, residual);
        expect_sums_in<F16>(sums, residual);
      }
    }
  });
}

TEST(Embedding, CountsTheBytesOfItsTypes) {
  Problem p(5, 2);
  const auto bytes = [&](DType tables, DType y) {
    Embedding op = p.forward_op();
    op.y = Tensor(p.y.data(), {5, 2}, y);
    op.token = ConstTensor(p.token.data(), op.token.shape(), tables);
    op.position = ConstTensor(p.position.data(), op.position.shape(), tables);
    return cost(op).bytes;
  };
  EXPECT_EQ(bytes(DType::kF32, DType::kF32), 3 * 10 * 4);
  EXPECT_EQ(bytes(DType::kBf16, DType::kF32), 10 * 4 + 2 * 10 * 2);
  EXPECT_EQ(bytes(DType::kBf16, DType::kBf16), 3 * 10 * 2);
}

template <typename Op>
std::string error_of(const Op& op) {
  try {
    launch_here(op);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// A GPU finds out while it works.
TEST(Embedding, NamesAnIdOutOfRangeAndTouchesNothing) {
  using ::testing::HasSubstr;
  for (const std::int32_t bad : {-1, 13}) {
    Problem p(9, 17);
    const Problem before = p;
    p.ids[4] = bad;
    const std::string wanted = fmt::format("[4] is {}, wanted 0 to 12", bad);
    Embedding part = p.forward_op();  // which could not have it anyway
    part.token = part.token.rows(0, 5);
    EXPECT_THAT(error_of(p.forward_op()), HasSubstr("ids" + wanted));
    EXPECT_THAT(error_of(part), HasSubstr("ids" + wanted));
    EXPECT_THAT(error_of(p.token_backward_op()), HasSubstr("indices" + wanted));
    if (!tests_cuda()) {
      EXPECT_EQ(p.y, before.y);
      EXPECT_EQ(p.d_token, before.d_token);
    }
  }
  Problem p(9, 17);
  p.positions[8] = 7;
  EXPECT_THAT(error_of(p.forward_op()),
              HasSubstr("positions[8] is 7, wanted 0 to 6"));
}

TEST(Embedding, RefusesOperandsThatDoNotFit) {
  Problem p(4, 6);
  const auto refuses = [](auto op, auto change) {
    EXPECT_NO_THROW(check(op));
    change(op);
    EXPECT_THROW(check(op), Error);
  };
  const Tensor wrong = kernels::tensor(p.y, {6, 4});
  refuses(p.forward_op(), [&](auto& op) { op.y = wrong; });
  refuses(p.forward_op(), [&](auto& op) { op.token = wrong; });
  refuses(p.forward_op(), [&](auto& op) { op.position = wrong; });
  refuses(p.forward_op(), [&](auto& op) { op.ids = op.ids.rows(0, 3); });
  refuses(p.forward_op(), [&](auto& op) { op.positions = {}; });
  refuses(p.forward_op(),
          [&](auto& op) { op.ids = ConstTensor(p.y.data(), {4}); });
  refuses(p.forward_op(), [&](auto& op) { op.token_rows.first = 1; });
  refuses(p.forward_op(), [&](auto& op) { op.token_rows.first = -1; });
  refuses(p.token_backward_op(), [&](auto& op) { op.d_y = wrong; });
  refuses(p.token_backward_op(), [&](auto& op) { op.d_table = wrong; });
  refuses(p.token_backward_op(), [&](auto& op) { op.indices = {}; });
  refuses(p.token_backward_op(), [&](auto& op) { op.rows.all = 12; });
}

TEST(Embedding, TakesTimeOnTheSimulatorAndTouchesNothing) {
  Problem p(4, 6);
  p.ids[0] = 99;  // not even the ids are read
  const Problem before = p;
  launch_on_simulator(p.forward_op());
  launch_on_simulator(p.token_backward_op());
  EXPECT_EQ(p.y, before.y);
  EXPECT_EQ(p.d_token, before.d_token);
}

}  // namespace
}  // namespace dure::kernels
