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

// Documents of `lengths` tokens, numbered consecutively: token t of the file is
// t.
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

// Runs are compared over years, so the orders for a seed may never change.
TEST_F(GptIndexTest, KeepsItsOrdersForever) {
  const auto documents = [&](SampleOrder order) {
    inputs.order = order;
    const GptIndex index = GptIndex::build(data->index(), inputs);
    std::vector<std::int64_t> first;
    for (int place = 0; place < 15; ++place) {
      first.push_back(index.document(place));
    }
    return first;
  };
  EXPECT_THAT(documents(SampleOrder::kJoint),
              ElementsAre(2, 2, 1, 4, 0, 3, 1, 0, 4, 3, 0, 2, 1, 3, 4));
  EXPECT_THAT(documents(SampleOrder::kByEpoch),
              ElementsAre(2, 3, 1, 4, 0, 0, 2, 1, 3, 4, 0, 2, 1, 3, 4));
}

TEST_F(GptIndexTest, OfOneEpochIsTheSameInBothOrders) {
  inputs = inputs_for(*data, 4, 8);
  ASSERT_EQ(inputs.plan.epochs, 1);
  const Words by_epoch = copy(GptIndex::build(data->index(), inputs));
  inputs.order = SampleOrder::kJoint;
  EXPECT_EQ(copy(GptIndex::build(data->index(), inputs)), by_epoch);
}

struct Read {
  std::int64_t document;
  std::int64_t offset;
  bool operator==(const Read&) const = default;
};

// The sequence that a run of `wanted` samples would read.
std::vector<Read> reads(const IndexedDataset& data,
                        std::int64_t sequence,
                        std::int64_t wanted) {
  const GptIndex index =
      GptIndex::build(data.index(), inputs_for(data, sequence, wanted));
  std::vector<Read> all;
  for (std::int64_t i = 0; i < index.samples(); ++i) {
    const auto [place, offset] = index.position(i);
    all.push_back({index.document(place), offset});
  }
  return all;
}

// --resume with more steps depends on this property.
TEST_F(GptIndexTest, MoreSamplesOnlyAddToTheOrder) {
  const std::vector<std::vector<int>> shapes = {
      {5, 0, 9, 1, 20}, {7}, {1, 1, 1, 1, 1, 1, 1}, {3, 0, 0, 4}, {30, 2}};
  for (const std::vector<int>& lengths : shapes) {
    data = numbered(directory, lengths);
    for (const std::int64_t sequence : {1, 2, 3, 5, 6}) {
      const std::vector<Read> longest = reads(*data, sequence, 150);
      for (std::int64_t wanted = 1; wanted < 150; ++wanted) {
        const std::vector<Read> some = reads(*data, sequence, wanted);
        ASSERT_LE(some.size(), longest.size());
        ASSERT_TRUE(std::equal(some.begin(), some.end(), longest.begin()))
            << lengths.size() << " documents, sequence " << sequence << ", "
            << wanted << " samples";
      }
    }
  }
}

// An epoch's samples are those whose last token is in it: together they read
// each token once as a target.
TEST_F(GptIndexTest, EveryEpochGivesEveryDocumentAndSampleOnce) {
  inputs = inputs_for(*data, 4, 60);
  const GptIndex index = GptIndex::build(data->index(), inputs);
  const GptIndexSizes sizes(inputs);
  const Words words = copy(index);
  ASSERT_GT(inputs.plan.epochs, 5);
  for (std::int64_t epoch = 0; epoch < inputs.plan.epochs; ++epoch) {
    Words documents(words.begin() + 5 * epoch, words.begin() + 5 * (epoch + 1));
    std::sort(documents.begin(), documents.end());
    EXPECT_THAT(documents, ElementsAre(0, 1, 2, 3, 4)) << epoch;
    const std::int64_t begin = inputs.plan.samples_before(epoch);
    const std::int64_t end = inputs.plan.samples_before(epoch + 1);
    Words shuffle(words.end() - sizes.samples + begin,
                  words.end() - sizes.samples + end);
    std::sort(shuffle.begin(), shuffle.end());
    Words counted(end - begin);
    std::iota(
        counted.begin(), counted.end(), static_cast<std::uint32_t>(begin));
    EXPECT_EQ(shuffle, counted) << epoch;
  }
}

TEST_F(GptIndexTest, EpochsAreNotInTheSameOrder) {
  data = numbered(directory, std::vector<int>(20, 3));
  inputs = inputs_for(*data, 4, 40);
  const Words words = copy(GptIndex::build(data->index(), inputs));
  EXPECT_FALSE(
      std::equal(words.begin(), words.begin() + 20, words.begin() + 20));
}

TEST_F(GptIndexTest, JointlyShufflesASeparateLastEpochAlone) {
  inputs = inputs_for(*data, 4, 9);  // 8 samples an epoch: 1 of the second
  inputs.order = SampleOrder::kJoint;
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
  other = inputs;
  other.order = SampleOrder::kJoint;
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
