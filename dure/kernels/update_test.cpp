#include "dure/kernels/update.h"

#include <limits>
#include <string>
#include <tuple>

#include "dure/kernels/adamw.h"
#include "dure/kernels/exact_sum.h"
#include "dure/kernels/lamb.h"
#include "dure/kernels/lion.h"
#include "dure/kernels/mixed_update_testing.h"
#include "dure/kernels/sgd.h"

namespace dure::kernels {
namespace {

using Blocks = std::vector<ElementBlock>;

Blocks blocks_of(const std::vector<ElementRun>& runs) {
  Blocks blocks;
  for (const ElementRun& run : runs) {
    add_run(blocks, run);
  }
  return blocks;
}

// Every element is where its run says, and runs are found from any element.
void expect_runs(const std::vector<ElementRun>& runs, const Blocks& blocks) {
  for (const ElementRun& run : runs) {
    for (std::int64_t i = 0; i < run.length; ++i) {
      const ElementRun rest = run_at(blocks, run.local + i);
      ASSERT_EQ(rest.global, run.global + i);
      ASSERT_GE(rest.length, run.length - i);
    }
  }
}

TEST(ElementBlock, IsTheFormula) {
  constexpr ElementBlock kBlock = {
      .begin = 3, .first = 100, .columns = 4, .stride = 10};
  static_assert(kBlock.global(3) == 100);
  static_assert(kBlock.global(6) == 103);
  static_assert(kBlock.global(7) == 110);
  static_assert(ElementBlock{.first = 7}.global(1000) == 1007);
}

TEST(ElementBlock, RunsOfAPatternAreOneBlock) {
  // Columns 2 to 4 of rows of 10; the last one is cut short.
  const std::vector<ElementRun> columns = {
      {0, 2, 3}, {3, 12, 3}, {6, 22, 3}, {9, 32, 2}};
  const Blocks one = blocks_of(columns);
  EXPECT_EQ(one,
            (Blocks{{.begin = 0, .first = 2, .columns = 3, .stride = 10}}));
  expect_runs(columns, one);
  EXPECT_EQ(run_at(one, 1).length, 2);
}

// The span begins within a row, and a matrix of two sections begins the pattern
// anew.
TEST(ElementBlock, WhereAPatternEndsABlockBegins) {
  const std::vector<ElementRun> runs = {
      {0, 3, 2}, {2, 12, 3}, {5, 22, 3}, {8, 52, 3}, {11, 62, 3}};
  const Blocks blocks = blocks_of(runs);
  EXPECT_EQ(blocks.size(), 3U);
  expect_runs(runs, blocks);
}

TEST(ElementBlock, AWholeWeightIsOneRun) {
  const Blocks whole = blocks_of({{0, 0, 1000}});
  EXPECT_EQ(run_at(whole, 10).length, run_at(Blocks(1), 10).length);
  EXPECT_GE(run_at(whole, 10).length, 990);
}

TEST(RoundingMajor, DiffersByUpdateAndTensor) {
  EXPECT_EQ(rounding_major(1, kRoundedMaster), 3U);
  EXPECT_EQ(rounding_major(1, kRoundedStates + 1), 5U);
  EXPECT_EQ(rounding_major(2, kRoundedMaster), 6U);
}

TEST(UpdateNumber, ComesBackFromItsBits) {
  for (const std::int64_t update : {0LL, 1LL, 16777217LL, 0x7F800001LL}) {
    const Values control = {1, 1, update_number(update)};
    EXPECT_EQ(update_in(tensor_of(control)),
              static_cast<std::uint64_t>(update));
  }
}

constexpr DType kF32 = DType::kF32;
constexpr DType kBf16 = DType::kBf16;
constexpr DType kF16 = DType::kF16;

// The mixes of types that training uses, and some others.
constexpr SpanTypes kMixes[] = {
    {.weight = kBf16},
    {.weight = kF16, .gradient = kF16},
    {.weight = kBf16, .gradient = kBf16, .state = kBf16},
    {.weight = kF16, .gradient = kF32, .state = kBf16},
    {.master = kBf16, .weight = kBf16, .gradient = kBf16, .state = kBf16},
    {.master = kBf16, .weight = kBf16, .gradient = kF32, .state = kF32},
    {.gradient = kF16},
};

// The result in f32 from the same values, each tensor rounded once.
void expect_rounded_weight(MixedSpan& mixed,
                           MixedSpan& f32,
                           std::uint64_t update) {
  const Values w = f32.master.values();
  EXPECT_EQ(mixed.master.values(), mixed.rounded(w, kRoundedMaster, update));
  if (mixed.types.master == kF32) {
    Stored nearest(w, mixed.types.weight);
    EXPECT_EQ(mixed.weight_values(), nearest.values());
  }
}
void expect_rounded_states(MixedSpan& mixed,
                           MixedSpan& f32,
                           std::uint64_t update) {
  for (std::size_t k = 0; k < kMostStates; ++k) {
    EXPECT_EQ(mixed.states[k].values(),
              mixed.rounded(f32.states[k].values(),
                            kRoundedStates + static_cast<int>(k),
                            update))
        << "state " << k;
  }
}

template <typename Launch>
void expect_f32_then_rounded(const Launch& launch_update) {
  constexpr std::int64_t kUpdate = 5;
  for (const SpanTypes& types : kMixes) {
    SCOPED_TRACE(to_string(types));
    on_every_instruction_set([&] {
      MixedSpan mixed(types, 40001);
      MixedSpan f32 = mixed.in_f32();
      launch_update({mixed.span()}, kUpdate);
      launch_update({f32.span()}, kUpdate);
      expect_rounded_weight(mixed, f32, kUpdate);
      expect_rounded_states(mixed, f32, kUpdate);
    });
  }
}

Values control_at(std::int64_t update, const Values& rates) {
  Values control = control_of(rates);
  control[kUpdateNumber] = update_number(update);
  return control;
}

constexpr auto kR = static_cast<float>(kRate);

void launch_adamw(const std::vector<UpdateSpan>& spans, std::int64_t update) {
  const Values control = control_at(update, {kR, 2 * kR, 3});
  launch_here(AdamW{.spans = spans, .control = tensor_of(control)});
}

void launch_lion(const std::vector<UpdateSpan>& spans, std::int64_t update) {
  const Values control = control_at(update, {kR});
  launch_here(Lion{.spans = spans, .control = tensor_of(control)});
}

void launch_sgd(const std::vector<UpdateSpan>& spans, std::int64_t update) {
  const Values control = control_at(update, {kR});
  launch_here(
      Sgd{.spans = spans, .control = tensor_of(control), .momentum = 0.9F});
}

using Digits = std::vector<std::int64_t>;

struct LambRun {
  explicit LambRun(std::int64_t update)
      : control(control_at(update, {kR, 2, 3})),
        digits(static_cast<std::size_t>(kLambSums * kSumDigits)) {}

  Tensor sums() { return {digits.data(), {1, kLambSums, kSumDigits}}; }
  void measure(const std::vector<UpdateSpan>& spans, float beta1, float beta2) {
    launch_here(LambMeasure{.sums = sums(),
                            .spans = spans,
                            .control = tensor_of(control),
                            .beta1 = beta1,
                            .beta2 = beta2});
  }
  void update(const std::vector<UpdateSpan>& spans) {
    launch_here(LambUpdate{
        .spans = spans, .control = tensor_of(control), .sums = sums()});
  }

  Values control;
  Digits digits;
};

void launch_lamb(const std::vector<UpdateSpan>& spans, std::int64_t update) {
  LambRun run(update);
  run.measure(spans, 0.9F, 0.999F);
  run.update(spans);
}

TEST(MixedUpdate, OfAdamWIsItsF32RoundedOnce) {
  expect_f32_then_rounded(launch_adamw);
}

TEST(MixedUpdate, OfLionIsItsF32RoundedOnce) {
  expect_f32_then_rounded(launch_lion);
}

TEST(MixedUpdate, OfSgdIsItsF32RoundedOnce) {
  expect_f32_then_rounded(launch_sgd);
}

// With both betas 1, moments stay: so a measure in f32 of the stored moments
// has the sums that the mixed one must have, and an update in f32 of them has
// its steps.
TEST(MixedUpdate, OfLambMeasuresWhatItStored) {
  constexpr std::int64_t kUpdate = 5;
  for (const SpanTypes& types : kMixes) {
    SCOPED_TRACE(to_string(types));
    on_every_instruction_set([&] {
      MixedSpan mixed(types, 40001);
      MixedSpan moments = mixed.in_f32();
      LambRun run(kUpdate);
      run.measure({mixed.span()}, 0.9F, 0.999F);
      LambRun(kUpdate).measure({moments.span()}, 0.9F, 0.999F);
      expect_rounded_states(mixed, moments, kUpdate);
      MixedSpan f32 = mixed.in_f32();
      LambRun again(kUpdate);
      again.measure({f32.span()}, 1, 1);
      EXPECT_EQ(run.digits, again.digits);
      run.update({mixed.span()});
      again.update({f32.span()});
      expect_rounded_weight(mixed, f32, kUpdate);
    });
  }
}

constexpr SpanTypes kAllBf16 = {
    .master = kBf16, .weight = kBf16, .gradient = kBf16, .state = kBf16};

// A weight of 300 rows and 70 columns, as ranks that cut its columns have it,
// each in spans of any lengths.
void expect_same_in_parts(const std::vector<std::int64_t>& column_cuts,
                          const std::vector<std::int64_t>& span_cuts) {
  constexpr std::int64_t kRows = 300;
  constexpr std::int64_t kColumns = 70;
  MixedSpan whole(kAllBf16, kRows * kColumns);
  MixedSpan parts = whole;
  parts.blocks = whole.blocks = {{}};
  launch_adamw({whole.span()}, 3);
  for (std::size_t c = 0; c + 1 < column_cuts.size(); ++c) {
    const std::int64_t first = column_cuts[c];
    const std::int64_t columns = column_cuts[c + 1] - first;
    const ElementBlock block = {
        .first = first, .columns = columns, .stride = kColumns};
    MixedSpan local = parts.taken(block, kRows * columns);
    for (std::size_t s = 0; s + 1 < span_cuts.size(); ++s) {
      Blocks blocks;
      const std::int64_t start = span_cuts[s] * columns * kRows / 100;
      const std::int64_t end = span_cuts[s + 1] * columns * kRows / 100;
      for (std::int64_t i = start; i < end;) {
        ElementRun run = run_at(std::span(&block, 1), i);
        run.length = std::min(run.length, end - i);
        i += run.length;
        run.local -= start;
        add_run(blocks, run);
      }
      launch_adamw({local.part(start, end - start, blocks)}, 3);
    }
    parts.put(local, block);
  }
  EXPECT_EQ(parts.all_values(), whole.all_values());
}

TEST(MixedUpdate, DoesNotDependOnSpansOrBlocksOfRowsAndColumns) {
  on_every_instruction_set([] {
    expect_same_in_parts({0, 70}, {0, 100});
    expect_same_in_parts({0, 70}, {0, 3, 31, 77, 100});
    expect_same_in_parts({0, 35, 70}, {0, 100});
    expect_same_in_parts({0, 1, 33, 70}, {0, 13, 50, 100});
  });
}

TEST(MixedUpdate, GivesTheSameBitsOnAnyNumberOfThreads) {
  expect_same_bits_on_any_threads([] {
    MixedSpan mixed(kAllBf16, 70001);
    launch_adamw({mixed.span()}, 1);
    launch_lamb({mixed.span()}, 2);
    return mixed.all_values();
  });
}

Values master_after(std::uint64_t seed, const char* name, std::int64_t update) {
  MixedSpan mixed(kAllBf16, 1000);
  mixed.stream = rounding_stream(seed, name);
  launch_lion({mixed.span()}, update);
  return mixed.master.values();
}

TEST(MixedUpdate, RoundsOtherwiseBySeedNameAndUpdate) {
  const Values w = master_after(1, "a", 1);
  EXPECT_EQ(master_after(1, "a", 1), w);
  EXPECT_NE(master_after(2, "a", 1), w);
  EXPECT_NE(master_after(1, "b", 1), w);
  EXPECT_NE(master_after(1, "a", 2), w);
}

double mean_of(const Values& values) {
  double sum = 0;
  for (const float value : values) {
    sum += value;
  }
  return sum / static_cast<double>(values.size());
}

void fill(Stored& stored, float value) {
  stored = Stored(Values(stored.values().size(), value), stored.dtype());
}

// The step is 1/16 of the spacing of bf16 below 1, 2^-8. So a weight moves with
// p = 1/16, and the mean of n has a deviation of 2^-8 sqrt(p (1 - p) / n). It
// is five of these off once in a million.
TEST(MixedUpdate, IsWithoutBias) {
  constexpr std::int64_t kCount = 1 << 20;
  constexpr double kStep = 0x1p-12;
  MixedSpan mixed(kAllBf16, kCount);
  mixed.weight_decay = 0;
  fill(mixed.master, 1);
  fill(mixed.gradient, 1);
  const Values control = control_at(1, {static_cast<float>(kStep / kScale)});
  const std::vector<UpdateSpan> spans = {mixed.span()};
  launch_here(Sgd{.spans = spans, .control = tensor_of(control)});
  constexpr double kP = 1.0 / 16;
  const double deviation = 0x1p-8 * std::sqrt(kP * (1 - kP) / kCount);
  EXPECT_NEAR(mean_of(mixed.master.values()), 1 - kStep, 5 * deviation);
}

// Launches an update that changes nothing of a weight but its copy, and returns
// the least row of those that overflow, or the value before.
std::int64_t first_overflow(const std::vector<Values>& masters,
                            DType weight,
                            std::int64_t before) {
  std::vector<MixedSpan> mixed;
  for (const Values& master : masters) {
    mixed.emplace_back(SpanTypes{.weight = weight}, std::ssize(master));
    mixed.back().master = Stored(master, DType::kF32);
    fill(mixed.back().gradient, 0);
    mixed.back().weight_decay = 0;
  }
  std::vector<UpdateSpan> spans;
  std::int64_t first = before;
  for (MixedSpan& one : mixed) {
    one.blocks = {};
    spans.push_back(one.span());
    spans.back().row = static_cast<std::int32_t>(spans.size()) - 1;
    spans.back().first_overflow = {&first, {1}};
  }
  const Values control = control_at(1, {kR});
  launch_here(Sgd{.spans = spans, .control = tensor_of(control)});
  return first;
}

// Beyond 65,504, 65,520 is the first number that rounds to infinity.
TEST(MixedUpdate, NotesTheFirstWeightThatIsNotFinite) {
  constexpr float kHuge = 65520;
  const Values small(1000, -65519.9F);
  Values huge = small;
  huge[777] = -kHuge;
  Values at_the_end = small;
  at_the_end.back() = kHuge;
  Values nan = small;
  nan[5] = std::numeric_limits<float>::quiet_NaN();
  on_every_instruction_set([&] {
    EXPECT_EQ(first_overflow({small, small}, DType::kF16, 7), 7);
    EXPECT_EQ(first_overflow({small, huge, at_the_end}, DType::kF16, 7), 1);
    EXPECT_EQ(first_overflow({at_the_end, small}, DType::kF16, 7), 0);
    EXPECT_EQ(first_overflow({small, nan}, DType::kF16, 7), 1);
    EXPECT_EQ(first_overflow({small, huge}, DType::kF16, 0), 0);
    EXPECT_EQ(first_overflow({huge}, DType::kBf16, 7), 7);
    EXPECT_EQ(first_overflow({Values(20, 0x1.FFp127F)}, DType::kBf16, 7), 0);
  });
}

// Rounded to nearest, 0.999 v would be v for ever. Here the mean is 0.999^t. A
// step adds at most a quarter of the squared spacing, 2^-8, to the variance.
TEST(MixedUpdate, LetsAVarianceFall) {
  constexpr std::int64_t kCount = 4096;
  constexpr int kSteps = 1000;
  MixedSpan mixed(kAllBf16, kCount);
  fill(mixed.gradient, 0);
  fill(mixed.states[1], 1);
  for (int t = 1; t <= kSteps; ++t) {
    launch_adamw({mixed.span()}, t);
  }
  EXPECT_EQ(to_float(to_bf16(0.999F)), 1);
  const double deviation =
      0x1p-8 / 2 * std::sqrt(kSteps / static_cast<double>(kCount));
  EXPECT_NEAR(mean_of(mixed.states[1].values()),
              std::pow(static_cast<double>(0.999F), kSteps),
              5 * deviation);
}

// No gradient, no decay, and moments of 0: nothing is to be rounded.
TEST(MixedUpdate, LeavesWhatDoesNotChange) {
  MixedSpan mixed(kAllBf16, 1000);
  mixed.weight_decay = 0;
  fill(mixed.gradient, 0);
  fill(mixed.states[0], 0);
  fill(mixed.states[1], 0);
  const auto before = mixed.all_values();
  launch_adamw({mixed.span()}, 1);
  EXPECT_EQ(mixed.all_values(), before);
}

std::string error_of(const UpdateSpan& span) {
  try {
    check_spans(std::span(&span, 1), 2);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(CheckSpans, TakesTheTypesOfMixedPrecision) {
  for (const SpanTypes& types : kMixes) {
    MixedSpan mixed(types, 10);
    EXPECT_EQ(error_of(mixed.span()), "");
  }
}

TEST(CheckSpans, SaysWhichTypeItDoesNotTake) {
  const auto error = [](const SpanTypes& types) {
    return error_of(MixedSpan(types, 10).span());
  };
  EXPECT_EQ(error({.master = kF16, .weight = kF16}),
            "a master is f32 or bf16, got f16");
  EXPECT_EQ(error({.master = kBf16, .weight = kF16}),
            "a master beside its weight is f32, got bf16");
  EXPECT_EQ(error({.state = kF16}), "state 0 is f32 or bf16, got f16");
  MixedSpan mixed({}, 10);
  UpdateSpan span = mixed.span();
  const std::vector<std::int64_t> integers(10);
  span.gradient = ConstTensor(integers.data(), {10});
  EXPECT_EQ(error_of(span), "a gradient is f32, bf16 or f16, got i64");
}

TEST(CheckSpans, WantsTheRandomNumbersOfBf16) {
  MixedSpan mixed({.state = kBf16}, 10);
  UpdateSpan span = mixed.span();
  span.rounding.reset();
  EXPECT_EQ(error_of(span),
            "a bf16 master or state needs the random numbers of its rounding, "
            "got none");
  mixed.blocks = {{.begin = 1}};
  EXPECT_NE(error_of(mixed.span()), "");
  mixed.blocks = {{}, {.begin = 4, .columns = 0}};
  EXPECT_NE(error_of(mixed.span()), "");
  MixedSpan f32({.weight = kF16}, 10);
  UpdateSpan plain = f32.span();
  plain.rounding.reset();
  EXPECT_EQ(error_of(plain), "");
}

TEST(UpdateBytes, AreThoseOfEachTensorsType) {
  const auto bytes = [](const SpanTypes& types) {
    MixedSpan mixed(types, 10);
    const UpdateSpan span = mixed.span();
    return update_bytes(std::span(&span, 1), 2) / 10;
  };
  EXPECT_EQ(bytes({}), 4 + 8 + 16);
  EXPECT_EQ(bytes({.weight = kBf16, .gradient = kBf16}), 2 + 8 + 16 + 2);
  EXPECT_EQ(bytes(kAllBf16), 2 + 4 + 8);
}

}  // namespace
}  // namespace dure::kernels
