// The arithmetic behind tensor parallelism, small enough to follow by hand: Y =
// X A, with A cut by columns and by rows over two ranks.
#include <algorithm>
#include <vector>

#include "dure/comm/communicator.h"
#include "dure/kernels/activation.h"
#include "dure/kernels/matmul.h"
#include "dure/kernels/transfer.h"
#include "dure/nn/rank_testing.h"
#include "dure/parallel/tensor/regions.h"

namespace dure::nn {
namespace {

using kernels::tensor;
using kernels::Values;

const Values kX = {0, 1, 2, 3, 4, 5, 6, 7};          // (2, 4)
const Values kA = {10, 14, 11, 15, 12, 16, 13, 17};  // (4, 2)
const Values kY = {74, 98, 258, 346};                // (2, 2)

// Columns [first, first + count) of a matrix with C.
Values columns_of(const Values& x, std::int64_t C, parallel::RowRange columns) {
  Values result;
  for (auto row = x.begin(); row != x.end(); row += C) {
    result.insert(
        result.end(), row + columns.first, row + columns.first + columns.count);
  }
  return result;
}

Values product(Context& ctx, const Values& a, const Values& b) {
  const auto K = static_cast<std::int64_t>(a.size() / 2);
  const auto N = static_cast<std::int64_t>(b.size()) / K;
  Values y(static_cast<std::size_t>(2 * N));
  kernels::launch(ctx.stream,
                  kernels::MatMul{.y = tensor(y, {2, N}),
                                  .a = tensor(a, {2, K}),
                                  .b = tensor(b, {K, N})});
  return y;
}

Values gelu(Context& ctx, const Values& x) {
  const auto n = static_cast<std::int64_t>(x.size());
  Values y(x.size());
  kernels::launch(
      ctx.stream,
      kernels::Gelu{.y = tensor(y, {1, n}), .x = tensor(x, {1, n})});
  return y;
}

// The ranks' columns, one each, side by side.
Values joined(Context& ctx, const Values& own) {
  Values gathered(4);
  Values y(4);
  ctx.tensor.ranks->run(ctx.stream,
                        comm::AllGather{.y = tensor(gathered, {2, 2, 1}),
                                        .x = tensor(own, {2, 1})});
  kernels::launch(ctx.stream,
                  kernels::JoinColumns{.y = tensor(y, {2, 2}),
                                       .x = tensor(gathered, {2, 2, 1})});
  return y;
}

Values summed(Context& ctx, const Values& own) {
  Values y(4);
  parallel::PartialSum sum(ctx.tensor, tensor(y, {2, 2}));
  std::copy(own.begin(), own.end(), sum.summand().data<float>());
  sum.run();
  return y;
}

// This rank's product with A cut by columns, and by rows.
Values by_columns(Context& ctx, const Values& x) {
  return product(ctx, x, columns_of(kA, 2, {ctx.tensor.part().index, 1}));
}
Values by_rows(Context& ctx, const Values& x) {
  const parallel::RowRange mine = {2 * ctx.tensor.part().index, 2};
  return product(ctx, columns_of(x, 4, mine), rows_of(kA, mine, 2));
}

TEST(SplitProducts, ByColumnsAreJoined) {
  on_ranks(2, Rows::kWhole, [](Context& ctx) {
    EXPECT_EQ(product(ctx, kX, kA), kY);
    const Values own = by_columns(ctx, kX);
    EXPECT_EQ(
        own,
        ctx.tensor.part().index == 0 ? (Values{74, 258}) : (Values{98, 346}));
    EXPECT_EQ(joined(ctx, own), kY);
  });
}

TEST(SplitProducts, ByRowsAreSummed) {
  on_ranks(2, Rows::kWhole, [](Context& ctx) {
    const Values own = by_rows(ctx, kX);
    EXPECT_EQ(own,
              ctx.tensor.part().index == 0 ? (Values{11, 15, 95, 131})
                                           : (Values{63, 83, 163, 215}));
    EXPECT_EQ(summed(ctx, own), kY);
  });
}

// This is why a layer's first matrix is cut by columns, and its second by rows.
// X is small here, because GeLU of 11 and more is the number itself.
TEST(SplitProducts, TakeGeluBeforeTheyAreJoinedButNotBeforeTheyAreSummed) {
  Values x = kX;
  for (float& value : x) {
    value /= 256;
  }
  on_ranks(2, Rows::kWhole, [&](Context& ctx) {
    const Values want = gelu(ctx, product(ctx, x, kA));
    EXPECT_EQ(joined(ctx, gelu(ctx, by_columns(ctx, x))), want);
    EXPECT_NE(summed(ctx, gelu(ctx, by_rows(ctx, x))), want);
  });
}

}  // namespace
}  // namespace dure::nn
