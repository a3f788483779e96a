#include "dure/kernels/embedding.h"

#include <gmock/gmock.h>
#include <string>
#include <tuple>

#include "dure/kernels/testing.h"

namespace dure::kernels {
namespace {

using Ids = std::vector<std::int32_t>;

ConstTensor tensor(const Ids& ids) {
  return {ids.data(), {static_cast<std::int64_t>(ids.size())}};
}

// N rows of C, tables of kV tokens and kS positions; ids repeat.
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
            .positions = tensor(positions),
            .position = kernels::tensor(position, {kS, C})};
  }
  EmbeddingBackward backward_op() {
    return {.d_token = kernels::tensor(d_token, {kV, C}),
            .d_position = kernels::tensor(d_position, {kS, C}),
            .d_y = kernels::tensor(d_y, {N, C}),
            .ids = tensor(ids),
            .positions = tensor(positions)};
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

// One addition: the same in any order, so exact.
TEST(Embedding, AddsTheRowsOfTokenAndPosition) {
  for (const std::int64_t C : {1, 3, 17, 64, 1000}) {
    Problem p(41, C);
    launch_on_cpu(p.forward_op());
    Embedding tokens_alone = p.forward_op();
    Values y(p.y.size());
    tokens_alone.y = kernels::tensor(y, {p.N, C});
    tokens_alone.position = {};
    launch_on_cpu(tokens_alone);
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

// rows[ids[n]] += d_y[n], one after another, as the header promises: exact.
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
    launch_on_cpu(p.backward_op());
    ASSERT_EQ(p.d_token, d_token);
    ASSERT_EQ(p.d_position, d_position);
  }
}

TEST(EmbeddingBackward, NeedsNoPositions) {
  Problem p(41, 17);
  Values d_token = p.d_token;
  add_rows(d_token, p.ids, p);
  EmbeddingBackward op = p.backward_op();
  op.d_position = {};
  op.positions = {};
  launch_on_cpu(op);
  EXPECT_EQ(p.d_token, d_token);
}

// <embedding(table), d_y> is linear in the table: its gradient is exact, and
// differences of it are too.
TEST(EmbeddingBackward, IsTheDerivative) {
  Problem p(5, 3);
  p.d_token.assign(p.d_token.size(), 0.0F);
  launch_on_cpu(p.backward_op());
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
    launch_on_cpu(p.forward_op());
    launch_on_cpu(p.backward_op());
    return std::tuple(p.y, p.d_token, p.d_position);
  });
}

template <typename Op>
std::string error_of(const Op& op) {
  try {
    launch_on_cpu(op);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Embedding, NamesAnIdOutOfRangeAndTouchesNothing) {
  using ::testing::HasSubstr;
  for (const std::int32_t bad : {-1, 13}) {
    Problem p(9, 17);
    const Problem before = p;
    p.ids[4] = bad;
    const std::string wanted = concat("ids[4] is ", bad, ", wanted 0 to 12");
    EXPECT_THAT(error_of(p.forward_op()), HasSubstr(wanted));
    EXPECT_THAT(error_of(p.backward_op()), HasSubstr(wanted));
    EXPECT_EQ(p.y, before.y);
    EXPECT_EQ(p.d_token, before.d_token);
  }
  Problem p(9, 17);
  p.positions[8] = 7;
  EXPECT_THAT(error_of(p.forward_op()),
              HasSubstr("positions[8] is 7, wanted 0 to 6"));
  EXPECT_THAT(error_of(p.backward_op()), HasSubstr("positions[8] is 7"));
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
  refuses(p.backward_op(), [&](auto& op) { op.d_y = wrong; });
  refuses(p.backward_op(), [&](auto& op) { op.d_token = wrong; });
  refuses(p.backward_op(), [&](auto& op) { op.d_position = wrong; });
  refuses(p.backward_op(), [&](auto& op) { op.positions = {}; });
}

TEST(Embedding, TakesTimeOnTheSimulatorAndTouchesNothing) {
  Problem p(4, 6);
  p.ids[0] = 99;  // not even the ids are read
  const Problem before = p;
  launch_on_simulator(p.forward_op());
  launch_on_simulator(p.backward_op());
  EXPECT_EQ(p.y, before.y);
  EXPECT_EQ(p.d_token, before.d_token);
}

}  // namespace
}  // namespace dure::kernels
