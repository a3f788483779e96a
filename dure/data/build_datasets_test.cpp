#include "dure/data/build_datasets.h"

#include <gmock/gmock.h>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "dure/data/test_files.h"

namespace dure::data {
namespace {

using testing::HasSubstr;

// `documents` documents of 10 tokens, from `first` on, all different.
TestDocuments tens(int documents, std::int32_t first) {
  TestDocuments all(documents, std::vector<std::int32_t>(10));
  for (auto& document : all) {
    std::iota(document.begin(), document.end(), first);
    first += 10;
  }
  return all;
}

std::set<std::int32_t> documents_read(const Dataset& data) {
  std::set<std::int32_t> documents;
  std::vector<std::int32_t> tokens(data.sample_tokens());
  for (std::int64_t i = 0; i < data.size(); ++i) {
    data.sample(i, tokens);
    for (std::int32_t token : tokens) {
      documents.insert(token / 10);
    }
  }
  return documents;
}

struct BuildDatasets : testing::Test {
  TestDirectory directory;
  std::string a = directory / "a";
  std::string b = directory / "b";
  BuildDatasets() {
    write_dataset(a, tens(100, 0));
    write_dataset(b, tens(50, 1000));
  }
};

TEST_F(BuildDatasets, ASplitPartsTheDocuments) {
  const Datasets sets = build_datasets(
      {.train = {a}, .split = "8,1,1", .sequence = 4},
      {.samples = {.train = 400, .validation = 30, .test = 30}, .seed = 1});
  const auto train = documents_read(*sets.train);
  const auto validation = documents_read(*sets.validation);
  const auto test = documents_read(*sets.test);
  EXPECT_EQ(train.size(), 80U);
  EXPECT_EQ(*train.rbegin(), 79);
  EXPECT_EQ(validation.size(), 10U);
  EXPECT_EQ(*validation.begin(), 80);
  EXPECT_EQ(*validation.rbegin(), 89);
  EXPECT_EQ(*test.begin(), 90);
  EXPECT_GE(sets.train->size(), 400);
}

TEST_F(BuildDatasets, SeparatePrefixesStandForThemselves) {
  const Datasets sets = build_datasets(
      {.train = {a}, .validation = {b}, .sequence = 4},
      {.samples = {
           .train = 10, .validation = SampleCounts::kOneEpoch, .test = 10}});
  EXPECT_EQ(sets.validation->size(), (500 - 1) / 4);
  EXPECT_EQ(*documents_read(*sets.validation).begin(), 100);
  EXPECT_EQ(sets.test, nullptr);
}

TEST_F(BuildDatasets, ABlendKeepsToItsWeights) {
  const Datasets sets =
      build_datasets({.train = {"3", a, "1", b}, .sequence = 4},
                     {.samples = {.train = 80}, .seed = 1});
  EXPECT_EQ(sets.train->size(), 80);
  std::vector<std::int32_t> tokens(5);
  int of_b = 0;
  for (std::int64_t i = 0; i < 80; ++i) {
    sets.train->sample(i, tokens);
    of_b += tokens[0] >= 1000 ? 1 : 0;
  }
  EXPECT_EQ(of_b, 20);
}

TEST_F(BuildDatasets, WithoutWeightsSizesCount) {
  const Datasets sets = build_datasets({.train = {a, b}, .sequence = 4},
                                       {.samples = {.train = 60}});
  std::vector<std::int32_t> tokens(5);
  int of_b = 0;
  for (std::int64_t i = 0; i < 60; ++i) {
    sets.train->sample(i, tokens);
    of_b += tokens[0] >= 1000 ? 1 : 0;
  }
  EXPECT_EQ(of_b, 20);
}

TEST_F(BuildDatasets, OneEpochOfABlendReadsAllOfEach) {
  const Datasets sets =
      build_datasets({.train = {"9", a, "1", b}, .sequence = 4},
                     {.samples = {.train = SampleCounts::kOneEpoch}});
  EXPECT_EQ(sets.train->size(), 999 / 4 + 499 / 4);
  EXPECT_EQ(documents_read(*sets.train).size(), 150U);
}

TEST_F(BuildDatasets, NamesWhatContradictsItself) {
  const BuildOptions options{.samples = {.train = 1, .validation = 1}};
  EXPECT_THROW(build_datasets({.train = {a}, .validation = {b}, .split = "1,1"},
                              options),
               UsageError);
  EXPECT_THROW(build_datasets({.validation = {b}}, options), UsageError);
  EXPECT_THAT(error_of([&] {
                build_datasets({.train = {a}, .split = "1000,1", .sequence = 4},
                               options);
              }),
              HasSubstr("no documents are left for this part"));
  EXPECT_THAT(
      error_of([&] { build_datasets({.train = {directory / "c"}}, options); }),
      HasSubstr("c.idx"));
}

}  // namespace
}  // namespace dure::data
