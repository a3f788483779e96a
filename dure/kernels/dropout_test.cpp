#include "dure/kernels/dropout.h"

#include <fmt/core.h>
#include <limits>
#include <utility>

#include "dure/kernels/dropout_testing.h"
#include "dure/kernels/half_testing.h"
#include "dure/kernels/target_testing.h"
#include "dure/kernels/testing.h"

namespace dure::kernels {
namespace {

DropoutMask mask_of(float rate, std::uint64_t first_index = 0) {
  return mask_from("dropout", rate, first_index);
}

// Applies the header's rule, one element at a time. x / (1 - rate) may be
// computed as a product with the reciprocal, with two roundings more.
void expect_dropped(const Values& y,
                    const Values& x,
                    const Values& residual,
                    const DropoutMask& mask) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float drawn = mask.stream.uniform(mask.first_index() + i);
    const double kept =
        drawn >= mask.rate ? x[i] / (1 - double{mask.rate}) : 0.0;
    const double around = residual.empty() ? 0.0 : residual[i];
    ASSERT_NEAR(
        y[i], kept + around, 5 * kUnit * (std::abs(kept) + std::abs(around)))
        << "at element " << i;
  }
}

// Tests rates beside multiples of 2^-24, the steps of uniform(), and indices
// that begin inside a block of the generator or pass 2^32.
TEST(Dropout, KeepsWhatTheStreamSaysWhereverItBegins) {
  on_every_instruction_set([] {
    for (const float rate : {0.1F, 0.5F, 0.5F + 0x1p-24F, 0.999F, 1e-9F}) {
      for (const std::uint64_t first :
           {std::uint64_t{0}, std::uint64_t{7}, (std::uint64_t{1} << 34) - 9}) {
        for (const std::int64_t n : {1, 3, 17, 64, 1000, 40003}) {
          SCOPED_TRACE(
              fmt::format("rate {:g}, first {}, n {}", rate, first, n));
          const Values x = random_values(n, "x");
          const Values residual = random_values(n, "residual");
          Values y(x.size());
          Dropout op = {.y = tensor(y, {1, n}),
                        .x = tensor(x, {1, n}),
                        .mask = mask_of(rate, first)};
          launch_here(op);
          expect_dropped(y, x, {}, op.mask);
          op.residual = tensor(residual, {1, n});
          launch_here(op);
          expect_dropped(y, x, residual, op.mask);
        }
      }
    }
  });
}

TEST(Dropout, DrawsByTheGlobalIndexWhateverTheShard) {
  const Values x = random_values(1000, "x");
  Values whole(1000);
  Values parts(1000);
  const Tensor y = tensor(parts, {1000});
  launch_here(Dropout{.y = tensor(whole, {1000}),
                      .x = tensor(x, {1000}),
                      .mask = mask_of(0.3F, 10)});
  for (const auto& [first, count] : {std::pair{0, 333}, std::pair{333, 667}}) {
    launch_here(
        Dropout{.y = y.rows(first, count),
                .x = tensor(x, {1000}).rows(first, count),
                .mask = mask_of(0.3F, 10 + static_cast<std::uint64_t>(first))});
  }
  EXPECT_EQ(parts, whole);
}

TEST(Dropout, OfRateZeroIsACopyOrASum) {
  const Values x = random_values(51, "x");
  const Values residual = random_values(51, "residual");
  Values y(51);
  Dropout op = {
      .y = tensor(y, {3, 17}), .x = tensor(x, {3, 17}), .mask = mask_of(0)};
  launch_here(op);
  EXPECT_EQ(y, x);
  op.residual = tensor(residual, {3, 17});
  launch_here(op);
  for (std::size_t i = 0; i < 51; ++i) {
    EXPECT_EQ(y[i], x[i] + residual[i]);
  }
}

TEST(Dropout, MayWriteOverXOrTheResidual) {
  for (const float rate : {0.0F, 0.4F}) {
    Values x = random_values(51, "x");
    Values residual = random_values(51, "residual");
    Values y(51);
    const Dropout op = {.y = tensor(y, {3, 17}),
                        .x = tensor(x, {3, 17}),
                        .residual = tensor(residual, {3, 17}),
                        .mask = mask_of(rate)};
    launch_here(op);
    Dropout over = op;
    Values copy = x;
    over.y = tensor(copy, {3, 17});
    over.x = over.y;
    launch_here(over);
    EXPECT_EQ(copy, y);
    over = op;
    over.y = tensor(residual, {3, 17});
    launch_here(over);
    EXPECT_EQ(residual, y);
  }
}

// A dropped element is 0, not 0 times it: an overflow in it has no effect.
TEST(Dropout, DropsWhatIsNotFinite) {
  const Values x(64, std::numeric_limits<float>::infinity());
  Values y(64);
  const DropoutMask mask = mask_of(0.5F);
  launch_here(
      Dropout{.y = tensor(y, {64}), .x = tensor(x, {64}), .mask = mask});
  for (std::size_t i = 0; i < 64; ++i) {
    EXPECT_EQ(y[i], mask.stream.uniform(i) >= 0.5F ? x[i] : 0.0F);
  }
}

inline constexpr OperandType kTypes[] = {OperandType::kHalf, OperandType::kF32};

// Each of x, y and residual has 16 bits or f32, and the range is several tiles
// and a part of one. Over x or the residual it is the same, if y has the type.
TEST(Dropout, RoundsHalvesOnceWhateverTheTypes) {
  const Shape shape = {3, 1001};
  for (const float rate : {0.0F, 0.3F}) {
    const DropoutMask mask = mask_of(rate, 7);
    for (const OperandType y : kTypes) {
      for (const OperandType x : kTypes) {
        expect_halves_rounded_once(
            {random_operand("y", shape, y), random_operand("x", shape, x)},
            [&](const Tensors& t) {
              return Dropout{.y = t[0], .x = t[1], .mask = mask};
            });
        for (const OperandType residual : kTypes) {
          const auto over = [&](std::size_t at) {
            expect_halves_rounded_once(
                {random_operand("y", shape, y),
                 random_operand("x", shape, x),
                 random_operand("residual", shape, residual)},
                [&](const Tensors& t) {
                  return Dropout{
                      .y = t[at], .x = t[1], .residual = t[2], .mask = mask};
                });
          };
          for (const std::size_t at : {0, 1, 2}) {
            over(at);
          }
        }
      }
    }
  }
}

TEST(Dropout, GivesTheSameBitsOnAnyNumberOfThreadsInTwoTypes) {
  expect_same_bits_on_any_threads([] {
    return results_of<Bf16>(
        {random_operand("x", {67, 1001}),
         random_operand("residual", {67, 1001}, OperandType::kF32)},
        [](const Tensors& t) {
          return Dropout{
              .y = t[1], .x = t[0], .residual = t[1], .mask = mask_of(0.1F, 3)};
        });
  });
}

// y is linear in x with slope keep(i) / (1 - rate), which is the same operation
// on d_y.
TEST(Dropout, IsItsOwnGradient) {
  const Values ones(1000, 1.0F);
  const Values d_y = random_values(1000, "d_y");
  Values slope(1000);
  Values d_x(1000);
  launch_here(Dropout{.y = tensor(slope, {1000}),
                      .x = tensor(ones, {1000}),
                      .mask = mask_of(0.25F)});
  launch_here(Dropout{.y = tensor(d_x, {1000}),
                      .x = tensor(d_y, {1000}),
                      .mask = mask_of(0.25F)});
  for (std::size_t i = 0; i < 1000; ++i) {
    ASSERT_EQ(d_x[i], slope[i] * d_y[i]);
  }
}

TEST(Dropout, GivesTheSameBitsOnAnyNumberOfThreads) {
  expect_same_bits_on_any_threads([] {
    Values x = random_values(67 * 1001, "x");
    const Tensor view = tensor(x, {67, 1001});
    launch_here(Dropout{.y = view, .x = view, .mask = mask_of(0.1F, 3)});
    return x;
  });
}

TEST(Dropout, RefusesOperandsThatDoNotFit) {
  Values x(6);
  const Tensor six = tensor(x, {6});
  const Dropout good = {.y = six, .x = six, .mask = mask_of(0.5F)};
  EXPECT_NO_THROW(check(good));
  const auto refuses = [&](auto change) {
    Dropout op = good;
    change(op);
    EXPECT_THROW(check(op), Error);
  };
  refuses([&](Dropout& op) { op.y = six.rows(0, 5); });
  refuses([&](Dropout& op) { op.residual = six.rows(0, 5); });
  const auto as = [&](DType dtype) { return Tensor(x.data(), {6}, dtype); };
  refuses([&](Dropout& op) { op.y = as(DType::kI32); });
  refuses([&](Dropout& op) {
    op.y = as(DType::kBf16);
    op.residual = as(DType::kF16);
  });
  refuses([&](Dropout& op) {
    op.x = as(DType::kBf16);
    op.y = as(DType::kF16);
  });
  refuses([](Dropout& op) { op.mask.first_sample = {}; });
  refuses([](Dropout& op) { op.mask.first_sample = op.x; });
  refuses([](Dropout& op) { op.mask.rate = 1; });
  refuses([](Dropout& op) { op.mask.rate = -0.1F; });
  refuses([](Dropout& op) {
    op.mask.rate = std::numeric_limits<float>::quiet_NaN();
  });
}

TEST(Dropout, TakesTimeOnTheSimulatorAndTouchesNothing) {
  Values x(6, 1.0F);
  const Tensor six = tensor(x, {6});
  launch_on_simulator(Dropout{.y = six, .x = six, .mask = mask_of(0.5F)});
  EXPECT_EQ(x, Values(6, 1.0F));
}

}  // namespace
}  // namespace dure::kernels
