#include "dure/data/data_identity.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include "dure/data/test_files.h"

namespace dure::data {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

std::string contents(const std::string& prefix) {
  return contents_of(IndexedDataset(prefix));
}

TEST(DataIdentity, ContentsDoNotDependOnThePlace) {
  const TestDirectory directory;
  write_dataset(directory / "a", {{1, 2, 3}, {4, 5}});
  write_dataset(directory / "b", {{1, 2, 3}, {4, 5}});
  EXPECT_EQ(contents(directory / "a"), contents(directory / "b"));
  EXPECT_THAT(contents(directory / "a"), SizeIs(32));
}

TEST(DataIdentity, ContentsAreLengthsAndTokens) {
  const TestDirectory directory;
  write_dataset(directory / "a", {{1, 2, 3}, {4, 5}});
  write_dataset(directory / "lengths", {{1, 2}, {3, 4, 5}});
  write_dataset(directory / "tokens", {{1, 2, 3}, {4, 6}});
  EXPECT_NE(contents(directory / "a"), contents(directory / "lengths"));
  EXPECT_NE(contents(directory / "a"), contents(directory / "tokens"));
}

TEST(DataIdentity, ContentsOfALargeFileAreSampledFromItsFirstToItsLastByte) {
  const TestDirectory directory;
  std::vector<std::int32_t> tokens(300'000, 1);  // 600,000 bytes
  write_dataset(directory / "a", {tokens});
  for (const std::size_t at : {std::size_t{0}, tokens.size() - 1}) {
    auto other = tokens;
    other[at] = 2;
    write_dataset(directory / "b", {other});
    EXPECT_NE(contents(directory / "a"), contents(directory / "b")) << at;
  }
  std::fill(tokens.begin() + 100'000, tokens.begin() + 110'000, 2);
  write_dataset(directory / "b", {tokens});
  EXPECT_NE(contents(directory / "a"), contents(directory / "b"));
}

TEST(DataIdentity, SurvivesJson) {
  const DataIdentity identity = {.order = SampleOrder::kJoint,
                                 .sequence = 1024,
                                 .parts = {{"a", "00ff", {0, 9690}, 1.0 / 3},
                                           {"b", "11ee", {5, 7}, 2.0 / 3}}};
  const auto json = nlohmann::json::parse(nlohmann::json(identity).dump());
  const auto back = json.get<DataIdentity>();
  EXPECT_EQ(difference(identity, back), std::nullopt);
  EXPECT_EQ(back.order, SampleOrder::kJoint);
  EXPECT_EQ(back.parts[1].prefix, "b");
}

TEST(DataIdentity, RefusesJsonThatIsNotOne) {
  const auto parse = [](const char* text) {
    return error_of([&] {
      static_cast<void>(nlohmann::json::parse(text).get<DataIdentity>());
    });
  };
  EXPECT_EQ(parse(R"({"order": 2, "sequence": 4, "parts": []})"), "");
  EXPECT_THAT(parse(R"({"order": 3, "sequence": 4, "parts": []})"),
              HasSubstr("version 3"));
  for (const char* text :
       {R"({})",
        R"([])",
        R"(7)",
        R"({"order": 2, "sequence": 4})",
        R"({"order": "2", "sequence": 4, "parts": []})",
        R"({"order": 2, "sequence": 4, "parts": [{"prefix": 1}]})"}) {
    EXPECT_THAT(parse(text), HasSubstr("not recorded")) << text;
  }
}

}  // namespace
}  // namespace dure::data
