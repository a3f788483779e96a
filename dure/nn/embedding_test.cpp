#include "dure/nn/embedding.h"

#include <gmock/gmock.h>
#include <string>
#include <vector>

#include "dure/nn/rank_testing.h"

namespace dure::nn {
namespace {

using kernels::tensor;
using kernels::Values;

constexpr std::int64_t kV = 12;
constexpr std::int64_t kS = 4;
constexpr std::int64_t kC = 5;
constexpr std::int64_t kSamples = 2;
constexpr std::int64_t kN = kSamples * kS;

// Small whole numbers, and a rate at which kept elements are doubled, so
// results are exact.
Values whole_numbers(std::int64_t count) {
  Values values;
  for (std::int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<float>(i * 7 % 23 - 11));
  }
  return values;
}
constexpr double kRate = 0.5;

const std::int64_t kFirstSample = 0;
const std::vector<std::int32_t> kIds = {0, 11, 3, 3, 7, 5, 11, 2};
const std::vector<std::int32_t> kPositions = {0, 1, 2, 3, 0, 1, 2, 3};

ConstTensor tensor_of(const std::vector<std::int32_t>& values) {
  return {values.data(), {static_cast<std::int64_t>(values.size())}};
}

// The layer's part on a rank, and the results of a pass through it.
struct Pass {
  explicit Pass(Context& ctx)
      : token(kernels::random_values(kV * kC, "token"), kC, ctx.tensor.part()),
        position(kernels::random_values(kS * kC, "position"), kC, {}),
        layer(token.parameter,
              &position.parameter,
              Dropout(1, "embedding", kRate),
              ctx.tensor.part()),
        own(ctx.tensor.own(kN)),
        y(static_cast<std::size_t>(own.count * kC)),
        d_y(rows_of(whole_numbers(kN * kC), own, kC)) {}

  void run(Context& ctx, const std::vector<std::int32_t>& ids = kIds) {
    const Sequences sequences = {.samples = kSamples,
                                 .positions = tensor_of(kPositions),
                                 .first_sample = {&kFirstSample, {1}}};
    layer.forward(ctx, tensor(y, {own.count, kC}), tensor_of(ids), sequences);
    layer.backward(
        ctx, tensor(d_y, {own.count, kC}), tensor_of(ids), sequences);
  }

  PartOfRows token;
  PartOfRows position;
  Embedding layer;
  parallel::RowRange own;
  Values y;
  Values d_y;
};

struct Results {
  Values y;
  Values d_token;
  Values d_position;
};

Results of_one_rank() {
  Results results;
  on_ranks(1, Rows::kWhole, [&](Context& ctx) {
    Pass pass(ctx);
    pass.run(ctx);
    results = {pass.y, pass.token.gradient, pass.position.gradient};
  });
  return results;
}

using Embeddings = OnRanks;
INSTANTIATE_TEST_SUITE_P(Tensor,
                         Embeddings,
                         one_two_four_ranks(),
                         name_of_ranks);

// One rank has the token's row and the others 0, with one addition and one
// product: the same bits. Gradients are sums of whole numbers.
TEST_P(Embeddings, AreThoseOfOneRankToTheBit) {
  const Results want = of_one_rank();
  EXPECT_THAT(want.y, testing::Contains(0.0F));  // dropout is on
  run([&](Context& ctx) {
    Pass pass(ctx);
    pass.run(ctx);
    EXPECT_EQ(pass.y, rows_of(want.y, pass.own, kC));
    const std::int64_t held = kV / ranks();
    EXPECT_EQ(
        pass.token.gradient,
        rows_of(want.d_token, {ctx.tensor.part().index * held, held}, kC));
    Values d_position = pass.position.gradient;
    if (ctx.tensor.rows == Rows::kCut) {
      const Tensor all = tensor(d_position, {kS, kC});
      ctx.tensor.ranks->run(ctx.stream, comm::AllReduce{.y = all, .x = all});
    }
    EXPECT_EQ(d_position, want.d_position);
  });
}

TEST_P(Embeddings, AddToTheGradientsOfTheStep) {
  run([&](Context& ctx) {
    Pass pass(ctx);
    pass.run(ctx);
    const Values once = pass.token.gradient;
    pass.d_y = rows_of(whole_numbers(kN * kC), pass.own, kC);
    pass.run(ctx);
    for (std::size_t i = 0; i < once.size(); ++i) {
      ASSERT_EQ(pass.token.gradient[i], 2 * once[i]);
    }
  });
}

// In evaluation nothing is dropped.
TEST_P(Embeddings, AreTokenAndPosition) {
  const Values token = kernels::random_values(kV * kC, "token");
  const Values position = kernels::random_values(kS * kC, "position");
  run([&](Context& ctx) {
    ctx.phase = Phase::kEvaluate;
    Pass pass(ctx);
    pass.run(ctx);
    for (std::int64_t i = 0; i < pass.own.count * kC; ++i) {
      const auto n = static_cast<std::size_t>(pass.own.first + i / kC);
      const auto c = static_cast<std::size_t>(i % kC);
      ASSERT_EQ(pass.y[i],
                token[static_cast<std::size_t>(kIds[n] * kC) + c] +
                    position[static_cast<std::size_t>(kPositions[n] * kC) + c]);
    }
  });
}

TEST_P(Embeddings, NameAnIdThatNoRankHas) {
  const std::vector<std::int32_t> ids = {0, 11, 3, 12, 7, 5, 11, 2};
  try {
    run([&](Context& ctx) { Pass(ctx).run(ctx, ids); });
    FAIL() << "12 was taken";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("is 12, wanted 0 to 11"));
  }
}

}  // namespace
}  // namespace dure::nn
