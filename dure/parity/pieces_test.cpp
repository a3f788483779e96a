#include "dure/parity/pieces.h"

#include <cmath>
#include <gmock/gmock.h>
#include <limits>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::train {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// A weight whose elements are what they are on both sides.
struct Weight {
  std::vector<float> values;

  Piece piece(std::int64_t first, std::int64_t count) const {
    return {.first = first,
            .count = count,
            .values = elements(first, count),
            .gradient = elements(first, count)};
  }
  ConstTensor elements(std::int64_t first, std::int64_t count) const {
    return {values.data() + first, Shape{count}};
  }
};

std::vector<model::WeightSpec> specs_of(std::int64_t elements) {
  return {{.name = "w", .shape = {elements}, .logical = {elements}}};
}

ElementDifference difference(const Weight& here,
                             const Weight& reference,
                             double most) {
  const auto n = std::ssize(here.values);
  // Cut at different places.
  const std::vector<Piece> a = {here.piece(0, 1), here.piece(1, n - 1)};
  const std::vector<Piece> b = {reference.piece(0, 2),
                                reference.piece(2, n - 2)};
  return compare({.here = a, .reference = b, .most = most, .largest = 4});
}

TEST(ParityPieces, NameTheFirstElementBeyondTheBound) {
  const Weight reference = {{1, 2, 3, 4}};
  const ElementDifference exact = difference({{1, 2, 3.5F, 3}}, reference, 0);
  EXPECT_EQ(exact.element, 2);
  EXPECT_EQ(exact.here, 3.5F);
  EXPECT_EQ(exact.reference, 3.0F);
  EXPECT_EQ(exact.worst, 0.25);
  EXPECT_EQ(difference({{1, 2, 3.5F, 3}}, reference, 0.5).element, 3);
  EXPECT_EQ(difference({{1, 2, 3.5F, 3}}, reference, 1).element, -1);
}

TEST(ParityPieces, TakeZeroOfEitherSignAndNoNumberForTheSame) {
  EXPECT_EQ(difference({{0, kNan, 1}}, {{-0.0F, kNan, 1}}, 0).element, -1);
  const ElementDifference broken = difference({{0, kNan, 1}}, {{0, 1, 1}}, 100);
  EXPECT_EQ(broken.element, 1);
  EXPECT_TRUE(std::isinf(broken.worst));
}

TEST(ParityPieces, HaveEveryElementOnceWhenMerged) {
  const Weight weight = {{1, 2, 3, 4}};
  const Pieces a = {{weight.piece(2, 2), weight.piece(0, 2)}};
  const Pieces b = {{weight.piece(1, 3)}};
  const std::vector<const Pieces*> ranks = {&a, &b};
  const Pieces all = merged(ranks, specs_of(4), "the layout");
  ASSERT_EQ(all[0].size(), 2);
  EXPECT_EQ(all[0][1].first, 2);
  EXPECT_EQ(all[0][1].values.data<float>()[0], 3.0F);
  EXPECT_EQ(all[0][1].end(), 4);
  EXPECT_EQ(largest_of(all).values[0], 4.0F);
}

TEST(ParityPieces, SayWhichElementsNobodyOwns) {
  const Weight weight = {{1, 2, 3, 4, 5}};
  for (const auto& [pieces, said] :
       {std::pair{Pieces{{weight.piece(0, 2), weight.piece(3, 2)}},
                  "no rank of the layout owns elements 2 to 2 of w"},
        {Pieces{{weight.piece(0, 4)}},
         "no rank of the layout owns elements 4 to 4 of w"}}) {
    const std::vector<const Pieces*> ranks = {&pieces};
    try {
      merged(ranks, specs_of(5), "the layout");
      FAIL() << said;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr(said));
    }
  }
}

}  // namespace
}  // namespace dure::train
