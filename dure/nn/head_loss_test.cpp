#include "dure/nn/head_loss.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "dure/kernels/cross_entropy.h"
#include "dure/nn/rank_testing.h"
#include "dure/nn/weight_gradient_store.h"

namespace dure::nn {
namespace {

using kernels::Doubles;
using kernels::Expected;
using kernels::kUnit;
using kernels::tensor;
using kernels::Values;

// There are two blocks of rows. The last of four ranks has padding alone.
constexpr std::int64_t kN = 520;
constexpr std::int64_t kC = 12;
constexpr std::int64_t kV = 45;
constexpr std::int64_t kVp = 64;
const float kDLoss = 0.25F;

std::size_t at(std::int64_t row, std::int64_t columns, std::int64_t column) {
  return static_cast<std::size_t>(row * columns + column);
}

// The inputs, and the expected outputs in double. f32 may be off by
//
//   logit        C + 1 roundings of its terms: `of_logit`, of the row's worst
//   loss         twice that, since it moves no more than the logits do, up and
//                down; its sum's error (cross_entropy_test.cpp)
//   probability  likewise, relative to it; and that of an exponential
//   d_x, d_w     the probabilities', and a rounding for each term
struct Problem {
  Problem()
      : x(kernels::random_values(kN * kC, "x")),
        weight(kernels::random_values(kVp * kC, "weight", 0.5)),
        d_x(kN * kC),
        d_weight(kVp * kC) {
    for (std::int64_t n = 0; n < kN; ++n) {
      targets.push_back(static_cast<std::int32_t>(n * 7919 % kV));
    }
    targets[9] = kernels::kIgnore;
    for (std::int64_t n = 0; n < kN; ++n) {
      add_row(n);
    }
  }

  ConstTensor targets_N() const { return {targets.data(), {kN}}; }

  Values x, weight;
  std::vector<std::int32_t> targets;
  std::vector<Expected> loss, logits, d_x, d_weight;

 private:
  static constexpr double kSum = 264 * kUnit;
  static constexpr double kExponential = 334 * kUnit;

  void add_row(std::int64_t n) {
    Doubles row(kVp);
    double of_logit = 0;
    for (std::int64_t v = 0; v < kVp; ++v) {
      double terms = 0;
      for (std::int64_t c = 0; c < kC; ++c) {
        const double term =
            double{x[at(n, kC, c)]} * double{weight[at(v, kC, c)]};
        row[v] += term;
        terms += std::abs(term);
      }
      of_logit = std::max(of_logit, (kC + 1) * kUnit * terms);
    }
    for (const double logit : row) {
      logits.push_back({logit, of_logit});
    }
    add_loss(n, row, of_logit);
  }

  void add_loss(std::int64_t n, const Doubles& row, double of_logit) {
    const std::int32_t target = targets[n];
    if (target == kernels::kIgnore) {
      loss.push_back({0, 0});
      return;
    }
    double sum = 0;
    for (std::int64_t v = 0; v < kV; ++v) {
      sum += std::exp(row[v]);
    }
    const double value = std::log(sum) - row[target];
    loss.push_back({value, 2 * of_logit + kSum + 2 * kUnit * value});
    const double relative = 2 * of_logit + kExponential + (kN + 2) * kUnit;
    for (std::int64_t v = 0; v < kV; ++v) {
      const double p = std::exp(row[v]) / sum;
      const double hit = v == target ? 1 : 0;
      add_gradient(n, v, kDLoss * (p - hit), relative * kDLoss * (p + hit));
    }
  }

  void add_gradient(std::int64_t n, std::int64_t v, double d, double error) {
    for (std::int64_t c = 0; c < kC; ++c) {
      const double w = weight[at(v, kC, c)];
      const double in = x[at(n, kC, c)];
      d_x[at(n, kC, c)].value += d * w;
      d_x[at(n, kC, c)].tolerance += error * std::abs(w);
      d_weight[at(v, kC, c)].value += d * in;
      d_weight[at(v, kC, c)].tolerance += error * std::abs(in);
    }
  }
};

const Problem& problem() {
  static const Problem kProblem;
  return kProblem;
}

std::vector<Expected> rows_of(const std::vector<Expected>& whole,
                              parallel::RowRange rows) {
  const auto begin = whole.begin() + rows.first * kC;
  return {begin, begin + rows.count * kC};
}

// The layer's part on a rank.
struct Pass {
  explicit Pass(Context& ctx)
      : part(ctx.tensor.part()),
        weight(problem().weight, kC, part),
        layer(weight.parameter, kV, part),
        own(ctx.tensor.own(kN)),
        x(nn::rows_of(problem().x, own, kC)),
        loss(kN, -1.0F) {}

  ConstTensor x_NC() const { return tensor(x, {own.count, kC}); }

  void forward(Context& ctx) { layer.forward(ctx, forward_op(), saved); }
  HeadLoss::Forward forward_op() {
    return {.loss = tensor(loss, {kN}),
            .x = x_NC(),
            .targets = problem().targets_N(),
            .d_loss = {&kDLoss, {1}}};
  }
  Values d_x() const {
    const float* const d = saved.d_x.data<float>();
    return {d, d + saved.d_x.elements()};
  }
  // The rows of the vocabulary on this rank.
  parallel::RowRange weight_rows() const {
    const std::int64_t held = kVp / part.count;
    return {part.index * held, held};
  }

  mesh::Part part;
  PartOfRows weight;
  HeadLoss layer;
  parallel::RowRange own;
  Values x;
  Values loss;
  HeadLoss::Saved saved;
};

using HeadLosses = OnRanks;
INSTANTIATE_TEST_SUITE_P(Tensor,
                         HeadLosses,
                         one_two_four_ranks(),
                         name_of_ranks);

TEST_P(HeadLosses, AreTheFormula) {
  run([](Context& ctx) {
    Pass pass(ctx);
    pass.forward(ctx);
    expect_near(pass.loss, problem().loss);
    expect_near(pass.d_x(), rows_of(problem().d_x, pass.own));
    expect_near(pass.weight.gradient,
                rows_of(problem().d_weight, pass.weight_rows()));
  });
}

TEST_P(HeadLosses, AreTheSameInEvaluation) {
  run([](Context& ctx) {
    Pass pass(ctx);
    pass.forward(ctx);
    Values loss(kN);
    pass.layer.evaluate(ctx,
                        {.loss = tensor(loss, {kN}),
                         .x = pass.x_NC(),
                         .targets = problem().targets_N()});
    EXPECT_EQ(loss, pass.loss);
  });
}

// The weights are powers of two, so nothing is rounded: a row's results are
// those of the row alone, times its weight.
TEST_P(HeadLosses, OfARowCountByItsWeight) {
  Values weights;
  for (std::int64_t n = 0; n < kN; ++n) {
    weights.push_back(n % 3 == 0 ? 0.0F : n % 3 == 1 ? 1.0F : 0.5F);
  }
  run([&](Context& ctx) {
    Pass plain(ctx);
    plain.forward(ctx);
    Pass weighted(ctx);
    HeadLoss::Forward op = weighted.forward_op();
    op.weights = tensor(weights, {kN});
    weighted.layer.forward(ctx, op, weighted.saved);
    Values want_loss = plain.loss;
    Values want_d_x = plain.d_x();
    for (std::int64_t n = 0; n < kN; ++n) {
      const float weight = weights[n];
      want_loss[n] *= weight;
      if (n < plain.own.first || n >= plain.own.first + plain.own.count) {
        continue;
      }
      for (std::int64_t c = 0; c < kC; ++c) {
        want_d_x[static_cast<std::size_t>((n - plain.own.first) * kC + c)] *=
            weight;
      }
    }
    EXPECT_EQ(weighted.loss, want_loss);
    EXPECT_EQ(weighted.d_x(), want_d_x);
    Values alone(kN);
    op.loss = tensor(alone, {kN});
    weighted.layer.evaluate(ctx, op);
    EXPECT_EQ(alone, want_loss);
  });
}

TEST_P(HeadLosses, GiveWholeRowsOfLogits) {
  run([](Context& ctx) {
    const Pass pass(ctx);
    Values logits(kN * kVp);
    pass.layer.logits(ctx, tensor(logits, {kN, kVp}), pass.x_NC());
    expect_near(logits, problem().logits);
  });
}

// The loss is computed outside, from this rank's columns of those logits.
TEST_P(HeadLosses, GoOnFromTheLogitsGradientToTheBit) {
  run([](Context& ctx) {
    Pass inside(ctx);
    inside.forward(ctx);
    Pass outside(ctx);
    Values logits(kN * kVp);
    outside.layer.logits(ctx, tensor(logits, {kN, kVp}), outside.x_NC());
    const parallel::RowRange columns = outside.weight_rows();
    Values own;
    for (std::int64_t n = 0; n < kN; ++n) {
      const auto from = logits.begin() + n * kVp + columns.first;
      own.insert(own.end(), from, from + columns.count);
    }
    const Tensor own_NV = tensor(own, {kN, columns.count});
    CrossEntropy(kV, outside.part)
        .loss_and_gradient(ctx,
                           {.loss = tensor(outside.loss, {kN}),
                            .logits = own_NV,
                            .targets = problem().targets_N(),
                            .d_loss = {&kDLoss, {1}}});
    outside.layer.backward_logits(ctx, own_NV, outside.x_NC(), outside.saved);
    EXPECT_EQ(outside.loss, inside.loss);
    EXPECT_EQ(outside.d_x(), inside.d_x());
    EXPECT_EQ(outside.weight.gradient, inside.weight.gradient);
  });
}

// Forward and backward are separate, and the weight's gradient comes later
// still.
TEST_P(HeadLosses, MakeTheSameBitsInTheirBackward) {
  run([](Context& ctx) {
    Pass at_once(ctx);
    at_once.forward(ctx);
    for (const bool defers : {false, true}) {
      Pass kept(ctx);
      kept.layer.forward_keeping(ctx, kept.forward_op(), kept.saved);
      EXPECT_EQ(kept.loss, at_once.loss);
      EXPECT_EQ(kept.saved.d_x.elements(), 0);
      const Values untouched = kept.weight.gradient;
      WeightGradientStore queue;
      Context backward_ctx = ctx;
      backward_ctx.deferred = defers ? &queue : nullptr;
      OwnedTensor x = ctx.activation({kept.own.count, kC}, DType::kF32);
      std::copy(kept.x.begin(), kept.x.end(), x.data<float>());
      kept.layer.backward_kept(backward_ctx, std::move(x), kept.saved);
      EXPECT_EQ(kept.d_x(), at_once.d_x());
      EXPECT_EQ(kept.weight.gradient == untouched, defers);
      kept.saved.d_x = OwnedTensor();
      queue.run(ctx);
      EXPECT_EQ(kept.weight.gradient, at_once.weight.gradient);
    }
    at_once.saved = {};
    EXPECT_EQ(ctx.arena.ledger().current(Category::kActivations), 0U);
  });
}

// There are two blocks of rows, with two small all-reduces each, and never of
// the logits; the rows come in and d_x goes out once.
TEST_P(HeadLosses, NeverGatherLogits) {
  run([](Context& ctx) {
    Pass pass(ctx);
    pass.forward(ctx);
    const auto traffic = [&](comm::Kind kind) {
      return ctx.tensor.ranks->traffic().of(ctx.tensor.ranks->axis(), kind);
    };
    const bool cut = ctx.tensor.rows == Rows::kCut;
    const std::uint64_t rows = kN * kC * sizeof(float);
    const std::uint64_t small = kN * (sizeof(float) + 2 * sizeof(double));
    const auto all_reduce = traffic(comm::Kind::kAllReduce);
    EXPECT_EQ(all_reduce.calls, cut ? 4U : 5U);
    EXPECT_EQ(all_reduce.bytes, small + (cut ? 0 : rows));
    EXPECT_EQ(traffic(comm::Kind::kAllGather).bytes, cut ? rows : 0);
    EXPECT_EQ(traffic(comm::Kind::kReduceScatter).bytes, cut ? rows : 0);
  });
}

TEST(HeadLoss, RefusesAVocabularyThatDoesNotFit) {
  on_ranks(2, Rows::kWhole, [](Context& ctx) {
    PartOfRows weight(problem().weight, kC, ctx.tensor.part());
    EXPECT_NO_THROW(HeadLoss(weight.parameter, kVp, ctx.tensor.part()));
    EXPECT_THROW(HeadLoss(weight.parameter, kVp + 1, ctx.tensor.part()), Error);
  });
}

}  // namespace
}  // namespace dure::nn
