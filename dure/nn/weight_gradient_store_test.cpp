#include "dure/nn/weight_gradient_store.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "dure/kernels/testing.h"
#include "dure/nn/rank_testing.h"
#include "dure/nn/sharded_to_all.h"

namespace dure::nn {
namespace {

using kernels::random_values;
using kernels::tensor;
using kernels::Values;

constexpr std::int64_t kN = 8;
constexpr std::int64_t kC = 4;

std::size_t workspace(const Context& ctx) {
  return ctx.arena.ledger().current(Category::kWorkspace);
}
std::size_t activations(const Context& ctx) {
  return ctx.arena.ledger().current(Category::kActivations);
}

// A stream filled with this number, and an equally large matrix.
WeightHalf half(const Context& ctx, float value) {
  const Shape shape = {ctx.tensor.stream_rows(kN), kC};
  OwnedTensor stream = ctx.activation(shape, DType::kF32);
  std::fill_n(stream.data<float>(), stream.elements(), value);
  return {.stream = std::move(stream),
          .columns = ctx.activation(shape, DType::kF32),
          .make = [](Context&, const Factors&) { FAIL() << "was run"; }};
}

TEST(WeightGradientStore, RunsInOrderAndDropsEachOnItsWay) {
  on_ranks(1, Rows::kWhole, [](Context& ctx) {
    WeightGradientStore queue;
    EXPECT_TRUE(queue.empty());
    std::vector<float> order;
    std::vector<std::size_t> held;
    for (const float value : {1.F, 2.F, 3.F}) {
      WeightHalf next = half(ctx, value);
      next.make = [&](Context& now, const Factors& factors) {
        order.push_back(factors.rows.data<float>()[0]);
        held.push_back(activations(now));
      };
      queue.push(std::move(next));
    }
    EXPECT_FALSE(queue.empty());
    const std::size_t one = activations(ctx) / 3;
    queue.run(ctx);
    EXPECT_EQ(order, (std::vector<float>{1, 2, 3}));
    EXPECT_EQ(held, (std::vector<std::size_t>{3 * one, 2 * one, one}));
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(activations(ctx), 0U);
  });
}

TEST(WeightGradientStore, WhatIsPutOffCanBeDropped) {
  on_ranks(1, Rows::kWhole, [](Context& ctx) {
    {
      WeightGradientStore queue;
      queue.push(half(ctx, 1));
      EXPECT_GT(activations(ctx), 0U);
    }
    EXPECT_EQ(ctx.arena.ledger().current(), 0U);
  });
}

TEST(WeightGradientStore, RoomIsWorkspaceUnlessTheQueueWillHoldIt) {
  on_ranks(1, Rows::kWhole, [](Context& ctx) {
    WeightGradientStore queue;
    {
      const OwnedTensor room = room_for_weights(ctx, {kN, kC}, DType::kF32);
      EXPECT_EQ(workspace(ctx), room.size_bytes());
      EXPECT_EQ(activations(ctx), 0U);
    }
    ctx.deferred = &queue;
    const OwnedTensor room = room_for_weights(ctx, {kN, kC}, DType::kF32);
    EXPECT_EQ(workspace(ctx), 0U);
    EXPECT_EQ(activations(ctx), room.size_bytes());
  });
}

// At most two products' rows are in memory: those in use, and the next.
TEST(WeightGradientStore, RowsComeOneProductAhead) {
  on_ranks(2, Rows::kCut, [](Context& ctx) {
    WeightGradientStore queue;
    std::vector<std::size_t> gathered;
    for (int i = 0; i < 3; ++i) {
      WeightHalf next = half(ctx, 1);
      next.make = [&](Context& now, const Factors& factors) {
        EXPECT_EQ(factors.rows.shape(), Shape({kN, kC}));
        EXPECT_EQ(factors.stream.shape(), Shape({kN / 2, kC}));
        gathered.push_back(workspace(now) / factors.rows.size_bytes());
      };
      queue.push(std::move(next));
    }
    EXPECT_EQ(workspace(ctx), 0U);
    queue.run(ctx);
    EXPECT_EQ(gathered, (std::vector<std::size_t>{2, 2, 1}));
    EXPECT_EQ(workspace(ctx), 0U);
  });
}

class PutOff : public OnRanks {};

INSTANTIATE_TEST_SUITE_P(Tensor, PutOff, one_two_four_ranks(), name_of_ranks);

// The residual's gradient changes in place later; the deferred half does not
// see that.
TEST_P(PutOff, DoesNotReadTheStreamsGradient) {
  run([](Context& ctx) {
    const Values weight = random_values(kC * kC, "weight");
    const Values x_values = random_values(kN * kC, "x");
    const parallel::RowRange own = ctx.tensor.own(kN);
    Values d_y = rows_of(random_values(kN * kC, "d_y"), own, kC);
    Values d_x(kN * kC);
    const auto gradient = [&](Context& how) {
      PartOfRows part(weight, kC, {0, 1});
      const ShardedToAll layer(part.parameter, nullptr, Dropout(1, "layer", 0));
      OwnedTensor x = how.activation({kN, kC}, DType::kF32);
      std::copy(x_values.begin(), x_values.end(), x.data<float>());
      layer.backward(how,
                     {.d_x = tensor(d_x, {kN, kC}),
                      .d_y = tensor(d_y, {own.count, kC}),
                      .x = x,
                      .sequences = {.samples = 1}});
      if (how.deferred != nullptr) {
        d_y.assign(d_y.size(), 1e30F);
        how.deferred->run(how);
      }
      return part.gradient;
    };
    const Values want = gradient(ctx);
    WeightGradientStore queue;
    ctx.deferred = &queue;
    EXPECT_EQ(gradient(ctx), want);
    EXPECT_EQ(ctx.arena.ledger().current(), 0U);
  });
}

}  // namespace
}  // namespace dure::nn
