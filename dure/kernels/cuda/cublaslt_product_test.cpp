#include "dure/kernels/cuda/cublaslt_product.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include <gtest/gtest.h>

#include "dure/kernels/testing.h"

namespace dure::kernels {
namespace {

// A product on the tested device whose operands begin `skipped` floats into
// their memory.
Values product(std::int64_t M, std::size_t skipped = 0) {
  const std::int64_t N = 8;
  const std::int64_t K = 300;
  const Values a = random_values(M * K + 1, "a");
  const Values b = random_values(N * K + 1, "b");
  Values y(static_cast<std::size_t>(M * N));
  launch_here(MatMul{.y = tensor(y, {M, N}),
                     .a = {a.data() + skipped, {M, K}},
                     .b = {b.data() + skipped, {N, K}},
                     .transpose_b = Transpose::kYes});
  return y;
}

class CublasLtProduct : public testing::Test {
 protected:
  void SetUp() override {
    if (!tests_cuda()) {
      GTEST_SKIP() << "DURE_TEST_DEVICE is not cuda";
    }
  }

  static ProductChoices& choices() {
    return product_choices(tested_device().stream);
  }
};

TEST_F(CublasLtProduct, IsChosenOnceAKey) {
  const std::size_t before = choices().size();
  const Values first = product(12);
  EXPECT_EQ(choices().size(), before + 1);
  product(13);
  EXPECT_EQ(choices().size(), before + 2);
  EXPECT_EQ(product(12), first);
  EXPECT_EQ(choices().size(), before + 2);
}

// A choice that was entered, from a measurement for instance, is the one that
// is taken: here a wrong one, which cuBLASLt refuses.
TEST_F(CublasLtProduct, TakesTheChoiceThatWasEntered) {
  product(14);
  const auto entry = std::ranges::find_if(choices(), [](const auto& each) {
    return each.first.sizes == std::array<std::int64_t, 3>{14, 8, 300};
  });
  ASSERT_NE(entry, choices().end());
  if (entry->second.workspace_bytes == 0) {
    GTEST_SKIP() << "the recommended algorithm has no workspace to take away";
  }
  entry->second.workspace_bytes = 0;
  EXPECT_THROW(product(14), Error);
  choices().erase(entry);
  EXPECT_NO_THROW(product(14));
}

// Sets the stream's table, as a new stream has none of its choices yet.
void start_with(const std::shared_ptr<ProductTable>& table) {
  Stream& stream = tested_device().stream;
  product_choices(stream).clear();
  product_table(stream) = table;
}

std::shared_ptr<ProductTable> new_table() {
  return std::make_shared<ProductTable>(product_device());
}

TEST_F(CublasLtProduct, EntersItsChoiceInTheTableAndTakesItFromThere) {
  const auto table = new_table();
  start_with(table);
  const Values y = product(12);
  EXPECT_EQ(table->choices(), choices());
  ASSERT_EQ(table->choices().size(), 1U);
  const auto again = new_table();
  ASSERT_TRUE(again->take(table->to_json(), "a cache"));
  start_with(again);
  EXPECT_EQ(product(12), y);
  EXPECT_EQ(again->choices(), table->choices());
  start_with(nullptr);
}

// Every algorithm that is offered is as good: the errors of sums in f32 are at
// most K units of their terms' sizes, which are of standard normal numbers.
TEST_F(CublasLtProduct, IsWithinBoundsByEveryAlgorithm) {
  start_with(nullptr);
  const Values y = product(12);
  const ProductKey key = choices().begin()->first;
  int differ = 0;
  for (int i = 0; i < 5; ++i) {
    start_with(new_table());
    const Values other = product(12);
    differ += other != y ? 1 : 0;
    for (std::size_t n = 0; n < y.size(); ++n) {
      ASSERT_NEAR(other[n], y[n], 2 * 300 * kUnit * 300);
    }
    ASSERT_EQ(choices().count(key), 1U);
  }
  RecordProperty("tables_with_other_bits", differ);
  start_with(nullptr);
}

TEST_F(CublasLtProduct, ChoosesAnewWhatCublasLtDoesNotKnow) {
  const auto good = new_table();
  start_with(good);
  const Values y = product(12);
  const ProductKey key = good->choices().begin()->first;
  const auto wrong = new_table();
  wrong->enter(key, {.algorithm = {~std::uint64_t{0}}, .workspace_bytes = 0});
  start_with(wrong);
  const Values other = product(12);
  for (std::size_t n = 0; n < y.size(); ++n) {
    ASSERT_NEAR(other[n], y[n], 2 * 300 * kUnit * 300);
  }
  EXPECT_NE(wrong->find(key)->algorithm[0], ~std::uint64_t{0});
  start_with(nullptr);
}

// Each operand has an error of 2^-11, so each of the K products one of 2^-10
// and less than 2^-21 more; sums in f32 add K units of 2^-24, at most.
TEST_F(CublasLtProduct, ReadsF32AsTheStreamSays) {
  const Values a = random_values(12 * 300 + 1, "a");
  const Values b = random_values(8 * 300 + 1, "b");
  const Values exact = product(12);
  f32_product(tested_device().stream) = F32Product::kTf32;
  const Values rounded = product(12);
  f32_product(tested_device().stream) = F32Product::kF32;
  double largest = 0;
  for (std::size_t i = 0; i < 12; ++i) {
    for (std::size_t j = 0; j < 8; ++j) {
      double sizes = 0;
      for (std::size_t k = 0; k < 300; ++k) {
        sizes += std::abs(double{a[i * 300 + k]} * b[j * 300 + k]);
      }
      const double error =
          std::abs(double{rounded[i * 8 + j]} - exact[i * 8 + j]);
      EXPECT_LE(error, (0x1p-10 + 0x1p-21 + 600 * kUnit) * sizes);
      largest = std::max(largest, error / sizes);
    }
  }
  EXPECT_GT(largest, 8 * kUnit) << "as exact as f32";
  EXPECT_EQ(product(12), exact);
}

LtProduct at(std::uintptr_t address) {
  auto* const first = reinterpret_cast<std::byte*>(address);
  return {.y = MatrixBlock(first, DType::kBf16, {2, 3}),
          .a = MatrixBlock(first, DType::kBf16, {2, 5}),
          .b = MatrixBlock(first, DType::kBf16, {5, 3}),
          .bias = first};
}

TEST(ProductKey, HasAlignmentsOfAtMost16Bytes) {
  EXPECT_EQ(key_of(at(0x1000)), key_of(at(0x1010)));
  EXPECT_NE(key_of(at(0x1000)), key_of(at(0x1008)));
  const std::array<std::uint8_t, 5> want = {2, 2, 2, 2, 0};
  EXPECT_EQ(key_of(at(0x1002)).alignments, want);
}

TEST(ProductKey, HasTf32OnlyForOperandsOfF32) {
  EXPECT_EQ(key_of(at(0x1000), F32Product::kTf32), key_of(at(0x1000)));
  LtProduct wide = at(0x1000);
  wide.a.dtype = DType::kF32;
  wide.b.dtype = DType::kF32;
  EXPECT_NE(key_of(wide, F32Product::kTf32), key_of(wide));
}

TEST(ProductKey, HasTheSizesOfTheProduct) {
  const std::array<std::int64_t, 3> want = {2, 3, 5};
  EXPECT_EQ(key_of(at(0x1000)).sizes, want);
}

}  // namespace
}  // namespace dure::kernels
