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
  const Datasets sets =
      build_datasets({.train = {a}, .validation = {b}, .sequence = 4},
                     {.samples = {.train = 10, .validation = 10, .test = 10}});
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

TEST_F(BuildDatasets, OnceReadsAllOfEachAndKeepsTheWeights) {
  const Mixture mixture =
      open_once({.train = {"9", a, "1", b}, .sequence = 4}, Part::kTrain, {});
  ASSERT_EQ(mixture.size(), 2U);
  EXPECT_EQ(mixture[0].weight, 0.9);
  EXPECT_EQ(mixture[1].weight, 0.1);
  EXPECT_EQ(mixture[0].dataset->size(), 999 / 4);
  EXPECT_EQ(mixture[1].dataset->size(), 499 / 4);
  EXPECT_EQ(documents_read(*mixture[1].dataset).size(), 50U);
}

TEST_F(BuildDatasets, OnceWithoutWeightsWeighsBySamples) {
  const Mixture mixture =
      open_once({.train = {a, b}, .sequence = 4}, Part::kTrain, {});
  EXPECT_DOUBLE_EQ(mixture[0].weight, 249.0 / (249 + 124));
  EXPECT_DOUBLE_EQ(mixture[1].weight, 124.0 / (249 + 124));
}

TEST_F(BuildDatasets, OnceRefusesAPartWithoutData) {
  EXPECT_THAT(error_of([&] {
                open_once({.train = {a}, .split = "1,0", .sequence = 4},
                          Part::kTest,
                          {});
              }),
              HasSubstr("nothing for test: its share in the split \"1,0\" is "
                        "0"));
  EXPECT_THAT(error_of([&] {
                build_datasets({.train = {a}, .split = "0,1", .sequence = 4},
                               {.samples = {.train = 1}});
              }),
              HasSubstr("nothing for train"));
}

TEST(Gives, AListOrAShareAboveZero) {
  EXPECT_TRUE(gives({.train = {"a"}}, Part::kTrain));
  EXPECT_FALSE(gives({.train = {"a"}}, Part::kTest));
  EXPECT_TRUE(gives({.train = {"a"}, .test = {"b"}}, Part::kTest));
  EXPECT_TRUE(gives({.train = {"a"}, .split = "9,1"}, Part::kValidation));
  EXPECT_FALSE(gives({.train = {"a"}, .split = "9,1"}, Part::kTest));
  EXPECT_FALSE(gives({.train = {"a"}, .split = "1,0,0"}, Part::kValidation));
  EXPECT_FALSE(gives({.train = {"a"}, .split = "0,1"}, Part::kTrain));
}

TEST_F(BuildDatasets, ABlendOfMoreSamplesOnlyAddsToTheOrder) {
  const auto read = [&](std::int64_t samples) {
    const Datasets sets =
        build_datasets({.train = {"3", a, "1", b}, .sequence = 4},
                       {.samples = {.train = samples}, .seed = 1});
    std::vector<std::int32_t> all(static_cast<std::size_t>(samples) * 5);
    for (std::int64_t i = 0; i < samples; ++i) {
      sets.train->sample(i, std::span(all).subspan(i * 5, 5));
    }
    return all;
  };
  const std::vector<std::int32_t> longest = read(1500);  // 4 epochs of a
  for (const std::int64_t samples : {1, 7, 240, 333, 334, 500, 900, 1499}) {
    const std::vector<std::int32_t> some = read(samples);
    EXPECT_TRUE(std::equal(some.begin(), some.end(), longest.begin()))
        << samples;
  }
}

TEST_F(BuildDatasets, OpensWhatIsNamedThoughNothingOfItIsWanted) {
  for (const DataConfig& config :
       {DataConfig{.train = {a}, .validation = {directory / "c"}},
        DataConfig{.train = {a}, .test = {"1", directory / "c"}}}) {
    DataConfig some = config;
    some.sequence = 4;
    EXPECT_THAT(
        error_of([&] { build_datasets(some, {.samples = {.train = 1}}); }),
        HasSubstr("c.idx"));
  }
}

TEST_F(BuildDatasets, RefusesWeightsThatCannotBeCompared) {
  for (const char* weight : {"1e308", "1e-320"}) {
    EXPECT_THROW(
        build_datasets({.train = {weight, a, "1.7e308", b}, .sequence = 4},
                       {.samples = {.train = 1}}),
        UsageError)
        << weight;
  }
}

TEST_F(BuildDatasets, SaysWhatItReadsInTheIdentity) {
  const auto identity = [&](const DataConfig& config) {
    return build_datasets(config, {.samples = {.train = 1}}).identity;
  };
  const DataIdentity one =
      identity({.train = {"3", a, "1", b}, .split = "9,1", .sequence = 4});
  ASSERT_EQ(one.parts.size(), 2U);
  EXPECT_EQ(one.sequence, 4);
  EXPECT_EQ(one.parts[0].range, (Range{0, 90}));
  EXPECT_EQ(one.parts[0].weight, 0.75);
  EXPECT_EQ(one.parts[1].prefix, b);
  EXPECT_EQ(difference(one, one), std::nullopt);
  const auto now = [&](const DataConfig& config) {
    return difference(one, identity(config)).value_or("");
  };
  EXPECT_THAT(now({.train = {"3", a, "1", b}, .split = "9,1", .sequence = 8}),
              HasSubstr("data.sequence was 4, and is 8"));
  EXPECT_THAT(now({.train = {a}, .split = "9,1", .sequence = 4}),
              HasSubstr("named 2 data sets, and names 1"));
  EXPECT_THAT(now({.train = {"3", a, "1", b}, .split = "8,2", .sequence = 4}),
              HasSubstr("documents 0 to 90"));
  EXPECT_THAT(now({.train = {"2", a, "1", b}, .split = "9,1", .sequence = 4}),
              HasSubstr("was 0.75, and is 0.66"));
  EXPECT_THAT(now({.train = {"3", b, "1", a}, .split = "9,1", .sequence = 4}),
              HasSubstr("the contents of"));
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
              HasSubstr("gets none of its"));
  EXPECT_THAT(
      error_of([&] { build_datasets({.train = {directory / "c"}}, options); }),
      HasSubstr("c.idx"));
}

}  // namespace
}  // namespace dure::data
