#include "dure/nn/attention.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "dure/nn/rank_testing.h"

namespace dure::nn {
namespace {

using kernels::AttentionPattern;
using kernels::random_values;
using kernels::tensor;
using kernels::Values;

constexpr std::int64_t kB = 2;
constexpr std::int64_t kS = 6;
constexpr std::int64_t kN = kB * kS;
constexpr std::int64_t kC = 8;
constexpr std::int64_t kH = 2;
constexpr std::int64_t kG = 1;
constexpr std::int64_t kD = 4;
const std::vector<float> kSlopes = alibi_slopes(kH, {});

// A layer on one rank, and the results of a pass through it.
class Layer {
 public:
  Layer(Positions positions, const AttentionPattern& pattern)
      : qkv_(random_values((kH + 2 * kG) * kD * kC, "qkv"), kC, {}),
        projection_(random_values(kC * kH * kD, "projection"), kH * kD, {}),
        attention_(AllToSharded(qkv_.parameter, nullptr),
                   ShardedToAll(projection_.parameter,
                                nullptr,
                                Dropout(1, "attention.projection", 0)),
                   {.shape = {.heads = kH, .kv_heads = kG, .head_dim = kD},
                    .pattern = pattern,
                    .positions = std::move(positions),
                    .dropout = Dropout(1, "attention", 0)}) {
    for (std::int64_t n = 0; n < kN; ++n) {
      positions_.push_back(static_cast<std::int32_t>(n % kS));
    }
  }

  void run(Context& ctx, ConstTensor table = {}, Tensor d_table = {}) {
    OwnedTensor x = ctx.activation({kN, kC}, DType::kF32);
    std::copy(x_.begin(), x_.end(), x.data<float>());
    Attention::Saved saved;
    attention_.forward(ctx,
                       {.y = tensor(y, {kN, kC}),
                        .x = x,
                        .residual = tensor(x_, {kN, kC}),
                        .sequences = sequences(kN, positions_.data()),
                        .table = table},
                       saved);
    attention_.backward(ctx,
                        {.d_x = tensor(d_x, {kN, kC}),
                         .d_y = tensor(d_y_, {kN, kC}),
                         .x = x,
                         .sequences = sequences(kN, positions_.data()),
                         .table = table,
                         .d_table = d_table},
                        saved);
  }

  // The rows of y, made one position at a time through a cache.
  Values generate(Context& ctx) {
    Values k(static_cast<std::size_t>(kB * kG * kS * kD), std::nanf(""));
    Values v = k;
    const Attention::Cache cache = {.k = tensor(k, {kB, kG, kS, kD}),
                                    .v = tensor(v, {kB, kG, kS, kD})};
    Values all(y.size());
    for (std::int32_t s = 0; s < kS; ++s) {
      const std::vector<std::int32_t> lengths(kB, s);
      Values x = rows_at(x_, s);
      const ConstTensor rows = tensor(std::as_const(x), {kB, kC});
      Values out(x.size());
      attention_.forward_cached(ctx,
                                {.y = tensor(out, {kB, kC}),
                                 .x = rows,
                                 .residual = rows,
                                 .sequences = sequences(kB, lengths.data()),
                                 .lengths = {lengths.data(), {kB}},
                                 .cache = cache});
      for (std::int64_t b = 0; b < kB; ++b) {
        std::copy_n(out.begin() + b * kC, kC, all.begin() + (b * kS + s) * kC);
      }
    }
    return all;
  }

  Values y = Values(kN * kC);
  Values d_x = Values(kN * kC);

 private:
  static Sequences sequences(std::int64_t rows, const std::int32_t* positions) {
    return {.samples = kB, .positions = {positions, {rows}}};
  }
  static Values rows_at(const Values& x, std::int64_t s) {
    Values rows;
    for (std::int64_t b = 0; b < kB; ++b) {
      const auto row = x.begin() + (b * kS + s) * kC;
      rows.insert(rows.end(), row, row + kC);
    }
    return rows;
  }

  PartOfRows qkv_;
  PartOfRows projection_;
  Attention attention_;
  Values x_ = random_values(kN * kC, "x");
  Values d_y_ = random_values(kN * kC, "d_y");
  std::vector<std::int32_t> positions_;
};

// The sums of a dozen products are in another order.
TEST(Attention, ThroughACacheIsThatOfAllRows) {
  const std::vector<std::pair<Positions, AttentionPattern>> cases = {
      {NoPositions{}, {}},
      {RotaryPositions{}, {}},
      {AlibiPositions{kSlopes}, {}},
      {AlibiPositions{kSlopes}, {.window = 3}}};
  on_ranks(1, Rows::kWhole, [&](Context& ctx) {
    for (const auto& [positions, pattern] : cases) {
      Layer layer(positions, pattern);
      layer.run(ctx);
      kernels::expect_near(layer.generate(ctx), kernels::doubles(layer.y), 100);
    }
  });
}

TEST(Attention, HasThePositionsItIsGiven) {
  on_ranks(1, Rows::kWhole, [&](Context& ctx) {
    std::vector<Values> results;
    for (const Positions& positions : {Positions(NoPositions{}),
                                       Positions(RotaryPositions{}),
                                       Positions(AlibiPositions{kSlopes})}) {
      Layer layer(positions, {});
      layer.run(ctx);
      EXPECT_EQ(std::count(results.begin(), results.end(), layer.y), 0);
      results.push_back(layer.y);
    }
    Layer learned(LearnedPositions{}, {});  // the embedding has added them
    learned.run(ctx);
    EXPECT_EQ(learned.y, results.front());
  });
}

TEST(Attention, OfSlopesIsThatOfARelativeTableOfThem) {
  Values table;
  for (const float slope : kSlopes) {
    for (std::int64_t distance = -1; distance < kS; ++distance) {
      table.push_back(-slope * static_cast<float>(distance));
    }
  }
  Values d_table(table.size());
  on_ranks(1, Rows::kWhole, [&](Context& ctx) {
    Layer slopes(AlibiPositions{kSlopes}, {});
    slopes.run(ctx);
    Layer relative(RelativePositions{.zero = 1}, {});
    relative.run(ctx,
                 tensor(std::as_const(table), {kH, kS + 1}),
                 tensor(d_table, {kH, kS + 1}));
    EXPECT_EQ(slopes.y, relative.y);
    EXPECT_EQ(slopes.d_x, relative.d_x);
  });
  // No later key is seen, and a bias of all distances changes nothing.
  EXPECT_EQ(d_table[0], 0);
  EXPECT_NE(d_table[1], 0);
  EXPECT_NEAR(std::accumulate(d_table.begin(), d_table.end(), 0.0), 0, 1e-4);
}

}  // namespace
}  // namespace dure::nn
