#include "dure/nn/weight_queue.h"

#include <memory>
#include <string>
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

TEST(WeightQueue, RunsInOrderAndDropsEachOnItsWay) {
  on_ranks(1, Rows::kWhole, [](Context& ctx) {
    WeightQueue queue;
    EXPECT_TRUE(queue.empty());
    const auto kept = std::make_shared<int>(0);
    std::vector<long> others;  // who hold `kept`, as each task sees it
    queue.push([&](Context&) { others.push_back(kept.use_count() - 1); });
    queue.keep(std::shared_ptr<int>(kept));
    queue.push([&](Context&) { others.push_back(kept.use_count() - 1); });
    EXPECT_FALSE(queue.empty());
    queue.run(ctx);
    EXPECT_EQ(others, (std::vector<long>{1, 0}));
    EXPECT_TRUE(queue.empty());
  });
}

TEST(WeightQueue, WhatIsPutOffCanBeDropped) {
  on_ranks(1, Rows::kWhole, [](Context& ctx) {
    {
      WeightQueue queue;
      ctx.deferred = &queue;
      release(ctx, room_for_weights(ctx, {kN, kC}));
      now_or_later(ctx, [](Context&) { FAIL() << "was run"; });
      EXPECT_GT(ctx.arena.ledger().current(Category::kActivations), 0U);
    }
    EXPECT_EQ(ctx.arena.ledger().current(), 0U);
  });
}

TEST(WeightQueue, WithoutOneAllIsDoneAtOnce) {
  on_ranks(1, Rows::kWhole, [](Context& ctx) {
    bool done = false;
    now_or_later(ctx, [&](Context&) { done = true; });
    EXPECT_TRUE(done);
    OwnedTensor room = room_for_weights(ctx, {kN, kC});
    EXPECT_EQ(workspace(ctx), room.size_bytes());
    release(ctx, std::move(room));
    EXPECT_EQ(workspace(ctx), 0U);
  });
}

// Two products' rows at the most: those in use, and the next.
TEST(WeightQueue, RowsComeOneProductAhead) {
  on_ranks(2, Rows::kCut, [](Context& ctx) {
    const Values own(kN / 2 * kC, 1);
    const ConstTensor stream = tensor(own, {kN / 2, kC});
    WeightQueue queue;
    std::vector<std::size_t> gathered;
    for (int i = 0; i < 3; ++i) {
      queue.push(parallel::AllRows(ctx.tensor, stream),
                 [&](Context& now, ConstTensor rows) {
                   EXPECT_EQ(rows.shape(), Shape({kN, kC}));
                   gathered.push_back(workspace(now) / rows.size_bytes());
                 });
      queue.keep(i);
    }
    EXPECT_EQ(workspace(ctx), 0U);
    queue.run(ctx);
    EXPECT_EQ(gathered, (std::vector<std::size_t>{2, 2, 1}));
    EXPECT_EQ(workspace(ctx), 0U);
  });
}

class PutOff : public OnRanks {};

INSTANTIATE_TEST_SUITE_P(Tensor, PutOff, one_two_four_ranks(), name_of_ranks);

// The residual's gradient goes on to change in place; what is put off does not
// see it.
TEST_P(PutOff, DoesNotReadTheStreamsGradient) {
  run([](Context& ctx) {
    const Values weight = random_values(kC * kC, "weight");
    const Values x = random_values(kN * kC, "x");
    const parallel::RowRange own = ctx.tensor.own(kN);
    Values d_y = rows_of(random_values(kN * kC, "d_y"), own, kC);
    Values d_x(kN * kC);
    const auto gradient = [&](Context& how) {
      PartOfRows part(weight, kC, {0, 1});
      const ShardedToAll layer(part.parameter, nullptr, Dropout(1, "layer", 0));
      layer.backward(how,
                     tensor(d_x, {kN, kC}),
                     tensor(d_y, {own.count, kC}),
                     {.x = tensor(x, {kN, kC}), .mask = {}});
      if (how.deferred != nullptr) {
        d_y.assign(d_y.size(), 1e30F);
        how.deferred->run(how);
      }
      return part.gradient;
    };
    const Values want = gradient(ctx);
    WeightQueue queue;
    ctx.deferred = &queue;
    EXPECT_EQ(gradient(ctx), want);
    EXPECT_EQ(ctx.arena.ledger().current(), 0U);
  });
}

}  // namespace
}  // namespace dure::nn
