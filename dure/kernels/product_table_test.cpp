#include "dure/kernels/product_table.h"

#include <array>
#include <gmock/gmock.h>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::kernels {
namespace {

using testing::HasSubstr;

const ProductDevice kDevice = {
    .name = "a device", .library = 130101, .workspace = 1024};

ProductKey key(std::int64_t M) {
  ProductKey of;
  of.sizes = {M, 8, 300};
  of.steps = {8, 300, 301};
  of.y = DType::kBf16;
  of.operands = DType::kBf16;
  of.transpose_b = Transpose::kYes;
  of.alignments = {16, 16, 8, 0, 2};
  return of;
}

ProductChoice choice(std::uint64_t number) {
  return {.algorithm = {number, 0, ~std::uint64_t{0}, 1, 2, 3, 4, 5},
          .workspace_bytes = 512};
}

std::string error_of(const std::string& text) {
  ProductTable table(kDevice);
  try {
    table.take(text, "products.json");
    return "no error";
  } catch (const Error& error) {
    EXPECT_TRUE(table.choices().empty());
    return error.what();
  }
}

// The text of a table of one product with a part replaced.
std::string text_with(const std::string& part, const std::string& other) {
  ProductTable table(kDevice);
  table.enter(key(12), choice(7));
  std::string text = table.to_json();
  const std::size_t at = text.find(part);
  EXPECT_NE(at, std::string::npos) << part;
  return text.replace(at, part.size(), other);
}

TEST(ProductTable, KeepsTheFirstChoiceOfAKey) {
  ProductTable table(kDevice);
  EXPECT_FALSE(table.find(key(12)));
  EXPECT_EQ(table.enter(key(12), choice(1)), choice(1));
  EXPECT_EQ(table.enter(key(12), choice(2)), choice(1));
  EXPECT_EQ(table.find(key(12)), choice(1));
  EXPECT_FALSE(table.find(key(13)));
  table.replace(key(12), choice(2));
  EXPECT_EQ(table.find(key(12)), choice(2));
}

TEST(ProductTable, IsTheSameAfterWritingAndReading) {
  ProductTable table(kDevice);
  std::uint64_t number = 0;
  for (const F32Product f32 : {F32Product::kF32, F32Product::kTf32}) {
    for (const DType y : {DType::kF32, DType::kBf16, DType::kF16}) {
      ProductKey each = key(12);
      each.y = y;
      each.f32_product = f32;
      table.enter(each, choice(++number));
    }
  }
  ProductTable again(kDevice);
  EXPECT_TRUE(again.take(table.to_json(), "products.json"));
  EXPECT_EQ(again.choices(), table.choices());
  EXPECT_EQ(again.choices().size(), 6U);
  EXPECT_EQ(again.to_json(), table.to_json());
}

TEST(ProductTable, TakesNoChoiceOfAKeyThatItHas) {
  ProductTable first(kDevice);
  first.enter(key(12), choice(1));
  ProductTable second(kDevice);
  second.enter(key(12), choice(2));
  second.enter(key(13), choice(3));
  EXPECT_TRUE(first.take(second.to_json(), "products.json"));
  EXPECT_EQ(first.find(key(12)), choice(1));
  EXPECT_EQ(first.find(key(13)), choice(3));
}

TEST(ProductTable, TakesNothingOfAnotherDeviceVersionOrWorkspace) {
  for (const ProductDevice& other :
       {ProductDevice{"another", kDevice.library, kDevice.workspace},
        ProductDevice{kDevice.name, 130102, kDevice.workspace},
        ProductDevice{kDevice.name, kDevice.library, 2048}}) {
    ProductTable table(other);
    table.enter(key(12), choice(1));
    ProductTable own(kDevice);
    EXPECT_FALSE(own.take(table.to_json(), "products.json"));
    EXPECT_TRUE(own.choices().empty());
  }
}

TEST(ProductTable, RefusesADamagedText) {
  EXPECT_EQ(error_of(text_with("12", "13")), "no error");
  EXPECT_THAT(error_of(""), HasSubstr("products.json"));
  EXPECT_THAT(error_of("{}"), HasSubstr("has no format"));
  EXPECT_THAT(error_of(text_with("dure-products", "other")),
              HasSubstr("is \"other\" of version 1, wanted \"dure-products\""));
  EXPECT_THAT(error_of(text_with("\"version\": 1", "\"version\": 2")),
              HasSubstr("of version 2, wanted"));
  EXPECT_THAT(error_of(text_with("bf16 bf16 f32 n t", "bf16 bf16 f32 n x")),
              HasSubstr("\"kind\" is"));
  EXPECT_THAT(error_of(text_with("300\n", "-1\n")),
              HasSubstr("has -1, wanted a whole number up to"));
  EXPECT_THAT(error_of(text_with("300\n", "1.5\n")),
              HasSubstr("has 1.5, wanted"));
  EXPECT_THAT(error_of(text_with("300,", "")),
              HasSubstr("has 2 numbers, wanted 3"));
  EXPECT_THAT(error_of(text_with("ffff", "fffg")),
              HasSubstr("wanted 128 hexadecimal digits"));
  EXPECT_THAT(error_of(text_with("ffff", "fff")),
              HasSubstr("wanted 128 hexadecimal digits"));
  EXPECT_THAT(error_of(text_with("\"workspace\": 512", "\"workspace\": 1025")),
              HasSubstr("\"workspace\" is 1025, wanted at most 1024"));
}

// A file that was cut short, at any place.
TEST(ProductTable, RefusesEveryBeginningOfAText) {
  const std::string text = text_with("12", "13");
  for (std::size_t size = 0; size + 2 < text.size(); ++size) {
    ASSERT_NE(error_of(text.substr(0, size)), "no error") << size;
  }
}

TEST(ProductTable, RefusesOneProductTwice) {
  ProductTable table(kDevice);
  table.enter(key(12), choice(1));
  table.enter(key(13), choice(1));
  std::string text = table.to_json();
  text.replace(text.find("13,"), 3, "12,");
  EXPECT_THAT(error_of(text), HasSubstr("two algorithms for one product"));
}

TEST(Fastest, IsTheLowestMedianAndTheFirstOfEqualOnes) {
  const std::vector<std::array<float, 3>> seconds = {
      {3, 3, 3}, {9, 2, 2}, {2, 1, 9}, {1, 1, 4}, {1, 1, 1}};
  EXPECT_EQ(fastest(seconds), 3U);
  EXPECT_EQ(fastest(std::span(seconds).first(2)), 1U);
  EXPECT_EQ(fastest(std::span(seconds).first(3)), 1U);
}

}  // namespace
}  // namespace dure::kernels
