#include "dure/roofline/operations.h"

#include <cstdlib>
#include <gmock/gmock.h>
#include <set>
#include <string_view>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::roofline {
namespace {

using testing::HasSubstr;

Device tested_device() {
  const char* const name = std::getenv("DURE_TEST_DEVICE");
  return name != nullptr && std::string_view(name) == "cuda" ? Device::kCuda
                                                             : Device::kCpu;
}

template <typename Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Operations, OfTheSmokeListHaveTimesAndShares) {
  OperationMeter meter(tested_device(), YardstickSize::kSmoke, 1);
  std::set<std::string> measured;
  for (const DType type : {DType::kF32, DType::kBf16}) {
    for (const ProblemLine& line : problems_of("smoke")) {
      const auto row = meter.measure(line, type);
      if (row) {
        EXPECT_GT(row->seconds.median, 0) << line.operation;
        EXPECT_GT(row->share.median, 0) << line.operation;
        EXPECT_LE(row->share.least, row->share.most) << line.operation;
        measured.insert(line.operation);
      }
    }
  }
  EXPECT_EQ(measured.size(), problems_of("smoke").size());
}

TEST(Operations, OfEveryListAreKnown) {
  std::set<std::string> smoke;
  for (const ProblemLine& line : problems_of("smoke")) {
    smoke.insert(line.operation);
  }
  ASSERT_GT(problem_lists().size(), 3U);
  for (const ProblemList& list : problem_lists()) {
    const auto lines = problems_of(list.name);
    EXPECT_FALSE(lines.empty()) << list.name;
    for (const ProblemLine& line : lines) {
      EXPECT_TRUE(smoke.contains(line.operation)) << line.operation;
    }
  }
}

// The bytes of a sum of two tensors: three of them.
TEST(Operations, HaveTheCostOfTheOperation) {
  Problem add(parse_line("add rows=3 columns=5"), Device::kCpu, DType::kF32);
  EXPECT_EQ(add.cost().bytes, 3 * 3 * 5 * 4);
}

TEST(Operations, LeaveOutATypeThatNoOperandHas) {
  OperationMeter meter(Device::kCpu, YardstickSize::kSmoke, 1);
  EXPECT_FALSE(
      meter.measure(parse_line("squared_norm spans=1 elements=9"), DType::kBf16)
          .has_value());
}

TEST(Operations, NameWhatIsWrongWithAProblem) {
  const auto error = [](const std::string& text) {
    return error_of([&] {
      for (const ProblemLine& line : parse_lines(text, "FILE")) {
        Problem problem(line, Device::kCpu, DType::kF32);
      }
    });
  };
  EXPECT_THAT(
      error("# one\nadd rows=x columns=3"),
      HasSubstr("FILE, line 2: wanted size=number above 0, got rows=x"));
  EXPECT_THAT(error("add rows"), HasSubstr("got rows"));
  EXPECT_THAT(error("add rows=0 columns=3"), HasSubstr("got rows=0"));
  EXPECT_THAT(error("add rows=1e12 columns=1e12"),
              HasSubstr("product is below 2^53, got 1e+24"));
  EXPECT_THAT(error("add rows=inf columns=3"), HasSubstr("got inf"));
  EXPECT_THAT(error("add rows=nan columns=3"), HasSubstr("got rows=nan"));
  EXPECT_THAT(error("add rows=0.5 columns=3"),
              HasSubstr("add wants a whole number as rows, got 0.5"));
  EXPECT_THAT(error("add rows=3"), HasSubstr("add wants columns="));
  EXPECT_THAT(error("ad rows=3 columns=3"), HasSubstr("did you mean add?"));
  EXPECT_THAT(error_of([] { problems_of("gpt2_125m"); }),
              HasSubstr("did you mean gpt2_124m?"));
}

}  // namespace
}  // namespace dure::roofline
