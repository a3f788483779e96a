#include "dure/kernels/cached_attention.h"

#include <gtest/gtest.h>

#include "dure/kernels/attention_examples_testing.h"
#include "dure/kernels/attention_half_testing.h"
#include "dure/kernels/attention_testing.h"
#include "dure/kernels/target_testing.h"
#include "dure/tensor/arena.h"

namespace dure::kernels {
namespace {

// Feeds a batch of sequences, in memory of type Element, through the cache in
// pieces and collects y.
template <typename Element = float>
class Generation {
 public:
  Generation(const AttentionOperands& operands, std::int64_t capacity)
      : operands_(operands),
        q_(operands.of.sizes.q()),
        k_(operands.of.sizes.k()),
        cache_{k_.samples, k_.heads, capacity, k_.head_dim},
        rows_(elements_of(operands)),
        k_cache_(nans(cache_.elements())),
        v_cache_(k_cache_),
        y_(AttentionOperands::nans(q_.elements())),
        lengths_(static_cast<std::size_t>(k_.samples)) {}

  // Rows [length, length + count) of each sample.
  void feed(std::int64_t count) {
    launch_here(append(count));
    Elements piece = nans(q_.samples * count * q_.row_step);
    launch_here(attend(piece, count));
    for (std::int64_t b = 0; b < q_.samples; ++b) {
      const auto from = piece.begin() + b * count * q_.row_step;
      std::transform(from,
                     from + count * q_.row_step,
                     y_.begin() + (b * q_.rows + lengths_[0]) * q_.row_step,
                     [](Element value) { return to_float(value); });
    }
    for (std::int32_t& length : lengths_) {
      length += static_cast<std::int32_t>(count);
    }
  }

  CacheAppend append(std::int64_t count) {
    const AttentionInputs in = inputs();
    return {.k_cache = Tensor(k_cache_.data(), cache_),
            .v_cache = Tensor(v_cache_.data(), cache_),
            .k = next(in.k, count),
            .v = next(in.v, count),
            .lengths = lengths()};
  }

  CachedAttention attend(std::vector<Element>& y, std::int64_t count) {
    AttentionInputs in = inputs();
    in.q = next(in.q, count);
    in.k = heads_of_cache(ConstTensor(k_cache_.data(), cache_));
    in.v = heads_of_cache(ConstTensor(v_cache_.data(), cache_));
    in.pattern.offset = {.value = cache_[2] - count, .each = lengths()};
    scratch_ =
        AttentionOperands::nans(cached_attention_scratch(in, kScratchThreads));
    return {.y = Tensor(y.data(), {q_.samples * count, q_.row_step}),
            .in = in,
            .scratch =
                tensor(scratch_, {static_cast<std::int64_t>(scratch_.size())})};
  }

  const Values& y() const { return y_; }
  std::vector<std::int32_t>& sample_lengths() { return lengths_; }

 private:
  using Elements = std::vector<Element>;
  struct Rows {
    Elements q;
    Elements k;
    Elements v;
  };

  static Elements rounded(const Values& values) {
    Elements elements;
    for (const float value : values) {
      elements.push_back(from_float<Element>(value));
    }
    return elements;
  }
  static Rows elements_of(const AttentionOperands& of) {
    return {rounded(of.q), rounded(of.k), rounded(of.v)};
  }
  static Elements nans(std::int64_t count) {
    return rounded(AttentionOperands::nans(count));
  }

  AttentionInputs inputs() const {
    AttentionInputs in = operands_.inputs();
    in.q.tensor = ConstTensor(rows_.q.data(), in.q.tensor.shape());
    in.k.tensor = ConstTensor(rows_.k.data(), in.k.tensor.shape());
    in.v.tensor = ConstTensor(rows_.v.data(), in.v.tensor.shape());
    return in;
  }
  ConstTensor lengths() const { return {lengths_.data(), {k_.samples}}; }
  ConstHeads next(ConstHeads heads, std::int64_t count) const {
    heads.at.first += lengths_[0] * heads.at.row_step;
    heads.at.rows = count;
    return heads;
  }

  const AttentionOperands& operands_;
  HeadLayout q_;
  HeadLayout k_;
  Shape cache_;
  Rows rows_;
  Elements k_cache_;
  Elements v_cache_;
  Values y_;
  Values scratch_;
  std::vector<std::int32_t> lengths_;
};

// Feeds all of the operands' rows, `first` at once and then one by one.
template <typename Element = float>
Values generate(const AttentionOperands& operands, std::int64_t first) {
  const std::int64_t S = operands.of.sizes.queries;
  Generation<Element> generation(operands, S + 3);
  generation.feed(std::min(first, S));
  for (std::int64_t i = first; i < S; ++i) {
    generation.feed(1);
  }
  return generation.y();
}

// The bound is that of attention_test.cpp.
double units(const AttentionSizes& sizes) {
  return 8 * std::sqrt(static_cast<double>(sizes.head_dim + sizes.longest()));
}

TEST(CachedAttention, EqualsTheFullAttentionRowByRow) {
  for (const AttentionSizes& sizes : kAttentionSizes) {
    AttentionOperands operands({.sizes = sizes});
    launch_here(operands.forward());
    for (const std::int64_t first : {1, 3, 40}) {
      SCOPED_TRACE(testing::Message() << "S " << sizes.queries << " D "
                                      << sizes.head_dim << " first " << first);
      expect_near(generate(operands, first), doubles(operands.y), units(sizes));
    }
  }
}

// Tests the patterns in which a sample's last query sees no key beyond it.
TEST(CachedAttention, ServesPatternsAndBiases) {
  int served = 0;
  for (const AttentionExample& example : attention_examples()) {
    const AttentionPattern& pattern = example.of.pattern;
    const AttentionSizes& sizes = example.of.sizes;
    if (pattern.order == AttentionOrder::kFull || pattern.documents ||
        pattern.layout.side > 0 || pattern.prefix.value > 10 ||
        sizes.queries != sizes.keys) {
      continue;
    }
    ++served;
    SCOPED_TRACE(example.name);
    const AttentionOperands operands(example.of);
    const AttentionOutputs want =
        reference_forward(operands.of, operands.in_double());
    for (const std::int64_t first : {4, 100}) {
      expect_near(generate(operands, first), want.y, units(sizes));
    }
  }
  EXPECT_EQ(served, 6);  // three windows and three biases
}

// On all keys at once it is the same operation as without a cache.
TEST(CachedAttention, EqualsTheReferenceForEveryPatternAndBias) {
  for (const AttentionExample& example : attention_examples()) {
    SCOPED_TRACE(example.name);
    AttentionOperands operands(example.of);
    const AttentionOutputs want =
        reference_forward(operands.of, operands.in_double());
    launch_here(
        CachedAttention{.y = operands.forward().y, .in = operands.inputs()});
    expect_near(operands.y, want.y, units(example.of.sizes));
  }
}

TEST(CachedAttention, EqualsTheReferenceOnEveryInstructionSet) {
  AttentionOperands operands({.sizes = kAttentionSizes[5]});
  const AttentionOutputs want =
      reference_forward(operands.of, operands.in_double());
  on_every_instruction_set([&] {
    expect_near(generate(operands, 7), want.y, units(operands.of.sizes));
  });
}

TEST(CachedAttention, ServesSequencesOfDifferentLengths) {
  const AttentionOperands operands({.sizes = square(2, 1, 2, 1, 8)});
  Generation<float> generation(operands, 4);
  Values first = AttentionOperands::nans(2 * 2 * 8);
  launch_here(generation.append(1));
  launch_here(generation.attend(first, 1));
  // The second sample begins anew, with the same rows.
  std::vector<std::int32_t> lengths = {1, 0};
  CacheAppend append = generation.append(1);
  append.lengths = {lengths.data(), {2}};
  launch_here(append);
  Values again = AttentionOperands::nans(2 * 2 * 8);
  CachedAttention attend = generation.attend(again, 1);
  attend.in.pattern.offset.each = append.lengths;
  launch_here(attend);
  // Twice the same key and value give the same mean; a single one gives its
  // value.
  expect_near(again, doubles(first), units(operands.of.sizes));
}

TEST(CachedAttention, GivesTheSameBitsOnAnyNumberOfThreads) {
  const AttentionOperands operands({.sizes = kAttentionSizes[3]});
  expect_same_bits_on_any_threads([&] { return generate(operands, 40); });
}

// Sizes for generation row by row, which makes many launches.
const std::vector<AttentionSizes> kGenerated = {
    kAttentionSizes[2], kAttentionSizes[3], kAttentionSizes[5]};

template <typename Half>
void expect_generation_rounded_once() {
  for (const AttentionSizes& sizes : kGenerated) {
    SCOPED_TRACE(testing::Message()
                 << "S " << sizes.queries << " D " << sizes.head_dim);
    const AttentionOperands operands = rounded_operands<Half>({.sizes = sizes});
    const Operand want = {.values = generate(operands, 40),
                          .shape = operands.inputs().q.tensor.shape()};
    EXPECT_EQ(generate<Half>(operands, 40), Rounded<Half>(want).values());
  }
}

TEST(CachedAttention, ReadsACacheOfHalvesAndRoundsOnce) {
  on_every_instruction_set([] {
    expect_generation_rounded_once<Bf16>();
    expect_generation_rounded_once<F16>();
  });
}

TEST(CachedAttention, OfARowDoesNotDependOnItsNeighboursToTheBit) {
  for (const AttentionSizes& sizes : kGenerated) {
    const AttentionOperands operands({.sizes = sizes});
    const auto same = [&]<typename Element>(Element) {
      const Values alone = generate<Element>(operands, 1);
      EXPECT_EQ(generate<Element>(operands, 40), alone);
      EXPECT_EQ(generate<Element>(operands, sizes.queries), alone);
    };
    same(float());
    same(Bf16());
    same(F16());
  }
}

// The operation on half_operands(), on all keys at once.
class CachedOnHalves {
 public:
  explicit CachedOnHalves(const AttentionOperands& operands)
      : operands_(operands) {}

  CachedAttention operator()(const Tensors& t) const {
    const AttentionInputs in = inputs_from(operands_, t);
    scratch_ =
        AttentionOperands::nans(cached_attention_scratch(in, kScratchThreads));
    return {.y = t[4],
            .in = in,
            .scratch =
                tensor(scratch_, {static_cast<std::int64_t>(scratch_.size())})};
  }

 private:
  const AttentionOperands& operands_;
  mutable Values scratch_;
};

std::vector<Operand> cached_operands(const AttentionOperands& of,
                                     OperandType table) {
  std::vector<Operand> operands = half_operands(of, table);
  operands.pop_back();  // no lse
  return operands;
}

TEST(CachedAttention, RoundsHalvesOnce) {
  for (const AttentionExample& example : attention_examples()) {
    SCOPED_TRACE(example.name);
    const AttentionOperands operands(example.of);
    for (const OperandType table : table_types(example.of)) {
      expect_halves_rounded_once(cached_operands(operands, table),
                                 CachedOnHalves(operands));
    }
  }
}

template <typename Half>
void expect_reference_of(const AttentionCase& of) {
  const AttentionOperands operands(of);
  const auto results = results_of<Half>(
      cached_operands(operands, OperandType::kHalf), CachedOnHalves(operands));
  const AttentionOutputs want = reference_forward(of, doubles_from(results));
  expect_near_rounded<Half>(results[4], want.y, units(of.sizes));
}

TEST(CachedAttention, OfHalvesEqualsTheReference) {
  for (const AttentionExample& example : attention_examples()) {
    SCOPED_TRACE(example.name);
    expect_reference_of<Bf16>(example.of);
    expect_reference_of<F16>(example.of);
  }
}

TEST(CachedAttention, WantsScratchForHalvesAlone) {
  const AttentionOperands operands({.sizes = kAttentionSizes[0]});
  Generation<float> generation(operands, 5);
  Values y(operands.y.size());
  CachedAttention op = generation.attend(y, 1);
  EXPECT_EQ(cached_attention_scratch(op.in, 3), 0);
  op.scratch = Tensor();
  EXPECT_NO_THROW(check(op));
  Generation<Bf16> of_halves(operands, 5);
  std::vector<Bf16> half_y(y.size());
  CachedAttention half = of_halves.attend(half_y, 1);
  EXPECT_NO_THROW(check(half));
  EXPECT_EQ(cost(half).bytes * 2, cost(op).bytes);
  half.scratch = Tensor();
  EXPECT_THROW(check(half), Error);
}

TEST(CacheAppend, CopiesElementsOfEveryType) {
  const AttentionOperands operands({.sizes = kAttentionSizes[0]});
  Generation<float> floats(operands, 5);
  Generation<F16> halves(operands, 5);
  EXPECT_EQ(cost(halves.append(1)).bytes * 2, cost(floats.append(1)).bytes);
  CacheAppend mixed = floats.append(1);
  mixed.k = halves.append(1).k;
  EXPECT_THROW(check(mixed), Error);
  mixed = floats.append(1);
  mixed.v_cache = halves.append(1).v_cache;
  EXPECT_THROW(check(mixed), Error);
}

// The lengths must not be read there either: the arena's pages are
// inaccessible.
TEST(CachedAttention, TakesTimeOnTheSimulatorAndTouchesNothing) {
  AttentionOperands operands({.sizes = kAttentionSizes[0]});
  Generation<float> generation(operands, 5);
  CacheAppend append = generation.append(1);
  CachedAttention attend = generation.attend(operands.y, 1);
  Stream stream(Device::kSim);
  Arena arena(stream);
  const OwnedTensor lengths =
      arena.tensor(append.lengths.shape(), Category::kWorkspace, DType::kI32);
  append.lengths = lengths;
  attend.in.pattern.offset.each = lengths;
  launch(stream, append);
  const double appended = stream.seconds();
  EXPECT_GT(appended, 0);
  launch(stream, attend);
  EXPECT_GT(stream.seconds(), appended);
  EXPECT_TRUE(std::isnan(operands.y[0]));
}

// Only the window's keys and values are moved.
TEST(CachedAttention, CostsWhatTheWindowShows) {
  const AttentionOperands operands({.sizes = square(1, 1, 1, 1, 8)});
  Generation<float> generation(operands, 512);
  Values y(8);
  CachedAttention op = generation.attend(y, 1);
  EXPECT_EQ(cost(op).flops, 4 * 512 * 8);
  EXPECT_EQ(cost(op).bytes, 4 * (2 * 512 + 2) * 8);
  op.in.pattern.window = 64;
  EXPECT_EQ(cost(op).flops, 4 * 64 * 8);
  EXPECT_EQ(cost(op).bytes, 4 * (2 * 64 + 2) * 8);
}

TEST(CacheAppend, RefusesMoreThanTheCacheHolds) {
  const AttentionOperands operands({.sizes = kAttentionSizes[0]});
  Generation<float> generation(operands, 5);
  EXPECT_NO_THROW(launch_here(generation.append(1)));
  for (const std::int32_t length : {5, -1}) {
    generation.sample_lengths()[1] = length;
    EXPECT_THROW(launch_here(generation.append(1)), Error);
  }
}

TEST(CacheAppend, RefusesShapesThatDoNotAgree) {
  AttentionOperands operands({.sizes = kAttentionSizes[0]});
  Generation<float> generation(operands, 5);
  const auto refused = [&](const auto& change) {
    CacheAppend op = generation.append(1);
    change(op);
    EXPECT_THROW(check(op), Error);
  };
  refused([](CacheAppend& op) { op.k.at.rows = op.v.at.rows = 6; });
  refused([](CacheAppend& op) { op.v.at.rows = 0; });
  refused([](CacheAppend& op) { op.v_cache = op.v_cache.rows(0, 1); });
  refused([](CacheAppend& op) { op.lengths = op.k.tensor; });
  refused([](CacheAppend& op) { op.k.at.heads = 1; });
}

TEST(CachedAttention, RefusesShapesThatDoNotAgree) {
  AttentionOperands operands({.sizes = kAttentionSizes[0]});
  Generation<float> generation(operands, 5);
  const auto refused = [&](const auto& change) {
    CachedAttention op = generation.attend(operands.y, 1);
    change(op);
    EXPECT_THROW(check(op), Error);
  };
  refused([](CachedAttention& op) { op.y = op.y.rows(0, 1); });
  refused([](CachedAttention& op) { op.in.k.at.heads = 1; });
  refused([](CachedAttention& op) { op.in.pattern.offset.each = op.y; });
}

}  // namespace
}  // namespace dure::kernels
