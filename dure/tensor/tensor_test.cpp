#include "dure/tensor/tensor.h"

#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure {
namespace {

TEST(Tensor, RowsAreAViewOfTheSameMemory) {
  std::vector<float> data = {0, 1, 2, 3, 4, 5};
  const Tensor x(data.data(), {3, 2});
  const Tensor last = x.rows(2, 1);
  EXPECT_EQ(last.shape(), (Shape{1, 2}));
  last.data<float>()[0] = 9;
  EXPECT_EQ(data[4], 9);
}

TEST(Tensor, NamesWhatDisagrees) {
  std::vector<float> data(6);
  const Tensor x(data.data(), {3, 2});
  EXPECT_NO_THROW(x.expect("x", {3, 2}, DType::kF32));
  try {
    x.expect("gain", {3, 4}, DType::kF32);
    FAIL();
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("gain is f32 (3, 2), wanted f32 (3, 4)"),
              std::string::npos)
        << text;
  }
  EXPECT_THROW(x.reshaped({5}), Error);
  EXPECT_THROW(Tensor().expect("x", {3}, DType::kF32), Error);
}

}  // namespace
}  // namespace dure
