#include "dure/data/gpt_index.h"

#include <algorithm>
#include <fstream>
#include <gmock/gmock.h>
#include <numeric>
#include <thread>

#include <gtest/gtest.h>

#include "dure/base/random.h"
#include "dure/data/gpt_index_cache.h"
#include "dure/data/test_files.h"

namespace dure::data {
namespace {

using testing::ElementsAre;
using testing::SizeIs;
using Words = std::vector<std::uint32_t>;

// Documents of `lengths` tokens, numbered through: token t of the file is t.
std::shared_ptr<IndexedDataset> numbered(const TestDirectory& directory,
                                         const std::vector<int>& lengths) {
  TestDocuments documents;
  std::int32_t next = 0;
  for (int length : lengths) {
    documents.emplace_back(length);
    std::iota(documents.back().begin(), documents.back().end(), next);
    next += length;
  }
  write_dataset(directory / "x", documents, TokenType::kI32);
  return std::make_shared<IndexedDataset>(directory / "x");
}

GptIndexInputs inputs_for(const IndexedDataset& data,
                          std::int64_t sequence,
                          std::int64_t wanted,
                          std::uint64_t seed = 1) {
  return {.range = {0, data.sequences()},
          .sequence = sequence,
          .plan = plan_epochs(data.tokens(), sequence, wanted),
          .seed = seed};
}

Words copy(const GptIndex& index) {
  return {index.words().begin(), index.words().end()};
}

struct GptIndexTest : testing::Test {
  TestDirectory directory;
  std::shared_ptr<IndexedDataset> data = numbered(directory, {5, 0, 9, 1, 20});
  GptIndexInputs inputs = inputs_for(*data, 4, 20);
};

TEST_F(GptIndexTest, IsAFunctionOfTheSeed) {
  const Words words = copy(GptIndex::build(data->index(), inputs));
  EXPECT_EQ(copy(GptIndex::build(data->index(), inputs)), words);
  inputs.seed = 2;
  EXPECT_NE(copy(GptIndex::build(data->index(), inputs)), words);
}

// Runs are compared over years: the order for a seed may never change.
TEST_F(GptIndexTest, KeepsItsOrderForever) {
  const GptIndex index = GptIndex::build(data->index(), inputs);
  std::vector<std::int64_t> documents;
  for (int place = 0; place < 15; ++place) {
    documents.push_back(index.document(place));
  }
  EXPECT_THAT(documents,
              ElementsAre(2, 2, 1, 4, 0, 3, 1, 0, 4, 3, 0, 2, 1, 3, 4));
}

TEST_F(GptIndexTest, ShufflesASeparateLastEpochAlone) {
  inputs = inputs_for(*data, 4, 9);  // 8 samples an epoch: 1 of the second
  ASSERT_EQ(inputs.plan.first_block, 8);
  const GptIndex index = GptIndex::build(data->index(), inputs);
  const GptIndexSizes sizes(inputs);
  const Words words = copy(index);
  for (const auto& [begin, end] : {std::pair{0, 5}, std::pair{5, 10}}) {
    Words epoch(words.begin() + begin, words.begin() + end);
    std::sort(epoch.begin(), epoch.end());
    EXPECT_THAT(epoch, ElementsAre(0, 1, 2, 3, 4));
  }
  Words shuffle(words.end() - sizes.samples, words.end());
  std::sort(shuffle.begin(), shuffle.begin() + 8);
  std::sort(shuffle.begin() + 8, shuffle.end());
  Words counted(sizes.samples);
  std::iota(counted.begin(), counted.end(), 0U);
  EXPECT_EQ(shuffle, counted);
}

TEST_F(GptIndexTest, IsLoadedAsItWasSaved) {
  const GptIndex built = open_gpt_index(*data, inputs, "", nullptr);
  const Path path = cache_path(data->prefix(), "", key_of(*data, inputs));
  const auto loaded =
      load_gpt_index(path, key_of(*data, inputs), GptIndexSizes(inputs));
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(copy(*loaded), copy(built));
  EXPECT_EQ(copy(open_gpt_index(*data, inputs, "", nullptr)), copy(built));
  EXPECT_THAT(directory.names(), SizeIs(3));  // .bin, .idx, .index
}

TEST_F(GptIndexTest, IsRebuiltWhereAnyByteOfTheFileIsWrong) {
  const Words words = copy(open_gpt_index(*data, inputs, "", nullptr));
  const GptIndexKey key = key_of(*data, inputs);
  const Path path = cache_path(data->prefix(), "", key);
  const std::string good = read_file(path);
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    std::ofstream(path) << bad;  // unsynced, for speed
    EXPECT_FALSE(load_gpt_index(path, key, GptIndexSizes(inputs))) << at;
  }
  for (const std::string& bad : {good.substr(0, good.size() - 1), good + "x"}) {
    write_file_atomically(path, bad);
    EXPECT_EQ(copy(open_gpt_index(*data, inputs, "", nullptr)), words);
    EXPECT_EQ(read_file(path), good);
  }
}

TEST_F(GptIndexTest, IsNamedByEverythingItDependsOn) {
  const auto name = [&](const GptIndexInputs& of) {
    return cache_path("p", "", key_of(*data, of)).string();
  };
  std::vector<std::string> names = {name(inputs)};
  GptIndexInputs other = inputs;
  other.seed = 2;
  names.push_back(name(other));
  names.push_back(name(inputs_for(*data, 5, 20)));
  names.push_back(name(inputs_for(*data, 4, 40)));
  other = inputs;
  other.range = {0, 4};
  names.push_back(name(other));
  data = numbered(directory, {5, 0, 9, 2, 19});  // same totals
  names.push_back(name(inputs));
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
}

TEST_F(GptIndexTest, MayBeBuiltByManyRanksAtOnce) {
  const Words expected = copy(GptIndex::build(data->index(), inputs));
  std::vector<Words> got(8);
  {
    std::vector<std::jthread> ranks;
    for (Words& words : got) {
      ranks.emplace_back([&] {
        words = copy(open_gpt_index(*data, inputs, directory / "new", nullptr));
      });
    }
  }
  EXPECT_THAT(got, testing::Each(expected));
  EXPECT_EQ(std::distance(
                std::filesystem::directory_iterator(directory.path() / "new"),
                std::filesystem::directory_iterator()),
            1);
}

TEST_F(GptIndexTest, StaysInMemoryWhereItCannotBeSaved) {
  write_file_atomically(directory / "file", "in the way");
  const GptIndex index =
      open_gpt_index(*data, inputs, directory / "file", nullptr);
  EXPECT_EQ(copy(index), copy(GptIndex::build(data->index(), inputs)));
}

TEST_F(GptIndexTest, RefusesCountsBeyondItsWords) {
  inputs.plan.epochs = std::int64_t{1} << 31;
  EXPECT_THROW(GptIndexSizes{inputs}, Error);
}

}  // namespace
}  // namespace dure::data
