
#include <gtest/gtest.h>

#include "dure/kernels/attention_testing.h"
#include "dure/kernels/target_testing.h"
#include "dure/tensor/arena.h"

namespace dure::kernels {
namespace {

// Feeds a batch of sequences through the cache in pieces and collects y.
class Generation {
 public:
  Generation(const AttentionCase& of, std::int64_t capacity)
      : of_(of),
        cache_{of.shape.batch, of.shape.kv_heads, capacity, of.shape.head_dim},
        k_cache_(AttentionOperands::nans(cache_.elements())),
        v_cache_(k_cache_),
        lengths_(static_cast<std::size_t>(of.shape.batch)) {}

  // Rows [length, length + count) of each sequence of qkv.
  void feed(const Values& qkv, Values& y, std::int64_t count) {
    const std::int64_t columns = of_.shape.qkv_columns();
    const std::int64_t width = of_.shape.heads * of_.shape.head_dim;
    Values piece = gather(qkv, columns, count);
    Values out = AttentionOperands::nans(of_.shape.batch * count * width);
    launch_on_cpu(op(piece, out, count));
    scatter(out, y, width, count);
    for (std::int32_t& length : lengths_) {
      length += static_cast<std::int32_t>(count);
    }
  }

  CachedAttention op(const Values& qkv, Values& y, std::int64_t count) {
    AttentionShape shape = of_.shape;
    shape.sequence = count;
    return {.y = tensor(y, {shape.rows(), shape.heads * shape.head_dim}),
            .k_cache = tensor(k_cache_, cache_),
            .v_cache = tensor(v_cache_, cache_),
            .qkv = tensor(qkv, {shape.rows(), shape.qkv_columns()}),
            .lengths = {lengths_.data(), {shape.batch}},
            .shape = shape,
            .scale = static_cast<float>(of_.scale())};
  }

  std::vector<std::int32_t>& lengths() { return lengths_; }

 private:
  std::ptrdiff_t whole(std::int64_t b, std::int64_t columns) const {
    return (b * of_.shape.sequence + lengths_[0]) * columns;
  }

  Values gather(const Values& from,
                std::int64_t columns,
                std::int64_t count) const {
    Values piece;
    for (std::int64_t b = 0; b < of_.shape.batch; ++b) {
      const auto first = from.begin() + whole(b, columns);
      piece.insert(piece.end(), first, first + count * columns);
    }
    return piece;
  }

  void scatter(const Values& piece,
               Values& to,
               std::int64_t columns,
               std::int64_t count) const {
    for (std::int64_t b = 0; b < of_.shape.batch; ++b) {
      const auto first = piece.begin() + b * count * columns;
      std::copy(first, first + count * columns, to.begin() + whole(b, columns));
    }
  }

  AttentionCase of_;
  Shape cache_;
  Values k_cache_;
  Values v_cache_;
  std::vector<std::int32_t> lengths_;
};

// All of the operands' rows, `first` at once and then one by one.
Values generate(AttentionOperands& operands, std::int64_t first) {
  const std::int64_t S = operands.of.shape.sequence;
  Generation generation(operands.of, S + 3);
  Values y = AttentionOperands::nans(operands.outputs());
  generation.feed(operands.qkv, y, std::min(first, S));
  for (std::int64_t i = first; i < S; ++i) {
    generation.feed(operands.qkv, y, 1);
  }
  return y;
}

// As in attention_test.cpp.
double units(const AttentionShape& shape) {
  return 8 * std::sqrt(static_cast<double>(shape.head_dim + shape.sequence));
}

TEST(CachedAttention, EqualsTheFullAttentionRowByRow) {
  for (const AttentionShape& shape : kAttentionShapes) {
    AttentionOperands operands({.shape = shape, .mask = {}});
    launch_on_cpu(operands.forward());
    for (const std::int64_t first : {1, 3, 40}) {
      SCOPED_TRACE(testing::Message() << "S " << shape.sequence << " D "
                                      << shape.head_dim << " first " << first);
      expect_near(generate(operands, first), doubles(operands.y), units(shape));
    }
  }
}

TEST(CachedAttention, EqualsTheReferenceOnEveryInstructionSet) {
  AttentionOperands operands({.shape = kAttentionShapes[5], .mask = {}});
  const AttentionOutputs want =
      reference_forward(operands.of, doubles(operands.qkv));
  on_every_instruction_set([&] {
    expect_near(generate(operands, 7), want.y, units(operands.of.shape));
  });
}

TEST(CachedAttention, ServesSequencesOfDifferentLengths) {
  const AttentionCase of = {.shape = {.batch = 2,
                                      .sequence = 1,
                                      .heads = 2,
                                      .kv_heads = 1,
                                      .head_dim = 8},
                            .mask = {}};
  AttentionOperands operands(of);
  Generation generation(of, 4);
  Values first = random_values(2 * 2 * 8, "first");
  launch_on_cpu(generation.op(operands.qkv, first, 1));
  generation.lengths() = {1, 0};  // the second sequence begins anew
  Values again = AttentionOperands::nans(2 * 2 * 8);
  launch_on_cpu(generation.op(operands.qkv, again, 1));
  // Twice the same key and value give the same mean; a lone one its value.
  expect_near(again, doubles(first), units(of.shape));
}

TEST(CachedAttention, GivesTheSameBitsOnAnyNumberOfThreads) {
  AttentionOperands operands({.shape = kAttentionShapes[3], .mask = {}});
  expect_same_bits_on_any_threads([&] { return generate(operands, 40); });
}

// The lengths too must not be read there: the arena's pages are inaccessible.
TEST(CachedAttention, TakesTimeOnTheSimulatorAndTouchesNothing) {
  AttentionOperands operands({.shape = kAttentionShapes[0], .mask = {}});
  Generation generation(operands.of, 5);
  CachedAttention op = generation.op(operands.qkv, operands.y, 1);
  Stream stream(Device::kSim);
  Arena arena(stream);
  const OwnedTensor lengths =
      arena.tensor(op.lengths.shape(), Category::kWorkspace, DType::kI32);
  op.lengths = lengths;
  launch_on_simulator(op);
  EXPECT_TRUE(std::isnan(operands.y[0]));
}

TEST(CachedAttention, RefusesMoreThanTheCacheHolds) {
  AttentionOperands operands({.shape = kAttentionShapes[0], .mask = {}});
  Generation generation(operands.of, 5);
  EXPECT_NO_THROW(launch_on_cpu(generation.op(operands.qkv, operands.y, 1)));
  for (const std::int32_t length : {5, -1}) {
    generation.lengths()[1] = length;
    EXPECT_THROW(launch_on_cpu(generation.op(operands.qkv, operands.y, 1)),
                 Error);
  }
}

TEST(CachedAttention, RefusesShapesThatDoNotAgree) {
  AttentionOperands operands({.shape = kAttentionShapes[0], .mask = {}});
  Generation generation(operands.of, 5);
  const auto refused = [&](const auto& change) {
    CachedAttention op = generation.op(operands.qkv, operands.y, 1);
    change(op);
    EXPECT_THROW(check(op), Error);
  };
  refused([](CachedAttention& op) { op.shape.sequence = 6; });
  refused([](CachedAttention& op) { op.v_cache = op.v_cache.rows(0, 1); });
  refused([](CachedAttention& op) { op.lengths = op.qkv; });
  refused([](CachedAttention& op) { op.shape.kv_heads = 1; });
}

}  // namespace
}  // namespace dure::kernels
