#include "dure/kernels/cuda/cublaslt_product.h"

#include <algorithm>
#include <array>

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
  launch_on_cpu(MatMul{.y = tensor(y, {M, N}),
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

TEST(ProductKey, HasTheSizesOfTheProduct) {
  const std::array<std::int64_t, 3> want = {2, 3, 5};
  EXPECT_EQ(key_of(at(0x1000)).sizes, want);
}

}  // namespace
}  // namespace dure::kernels
