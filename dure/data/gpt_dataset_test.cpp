#include "dure/data/gpt_dataset.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <numeric>

#include <gtest/gtest.h>

#include "dure/base/random.h"
#include "dure/data/test_files.h"

namespace dure::data {
namespace {

using testing::HasSubstr;
using Tokens = std::vector<std::int32_t>;

// A small random data set; token ids are all different.
TestDocuments random_documents(const RandomStream& random) {
  TestDocuments documents(1 + random.below(12, 0));
  std::int32_t next = 0;
  for (std::size_t d = 0; d < documents.size(); ++d) {
    documents[d].resize(random.below(15, 1 + d));
    std::iota(documents[d].begin(), documents[d].end(), next);
    next += static_cast<std::int32_t>(documents[d].size());
  }
  return documents;
}

// The expected samples, computed the slow and obvious way: all tokens of all
// epochs are one array, and sample k is a slice of it.
class SlowDataset {
 public:
  SlowDataset(const TestDocuments& documents, const GptDatasetOptions& options)
      : sequence_(options.sequence), random_(options.seed, "data.documents") {
    Tokens epoch;
    std::vector<std::int64_t> once;
    for (std::int64_t d = options.range.begin; d < options.range.end; ++d) {
      epoch.insert(epoch.end(), documents[d].begin(), documents[d].end());
      once.push_back(d);
    }
    const auto T = static_cast<std::int64_t>(epoch.size());
    std::int64_t epochs = 1;
    while ((epochs * T - 1) / sequence_ < options.samples) {
      ++epochs;
    }
    const auto until = [&](std::int64_t e) {
      return e == 0 ? 0 : (e * T - 1) / sequence_;
    };
    const std::int64_t before = until(epochs - 1);
    const std::int64_t samples = until(epochs);
    const bool apart =
        epochs > 1 &&
        options.samples - before <
            static_cast<int>(0.80 * static_cast<double>((T - 1) / sequence_));
    std::vector<std::int64_t> firsts = {0};  // epochs where a block begins
    for (std::int64_t e = 1; e < epochs; ++e) {
      if (options.order == SampleOrder::kByEpoch ||
          (apart && e == epochs - 1)) {
        firsts.push_back(e);
      }
    }
    std::vector<std::int64_t> order;
    for (std::int64_t e = 0; e < epochs; ++e) {
      order.insert(order.end(), once.begin(), once.end());
    }
    std::vector<std::int64_t> begins;
    for (const std::int64_t first : firsts) {
      begins.push_back(first * std::ssize(once));
    }
    shuffle(order, begins);
    for (std::int64_t d : order) {
      stream_.insert(stream_.end(), documents[d].begin(), documents[d].end());
    }
    samples_.resize(samples);
    std::iota(samples_.begin(), samples_.end(), 0);
    random_ = RandomStream(options.seed, "data.samples");
    for (std::size_t i = 0; i < firsts.size(); ++i) {
      begins[i] = until(firsts[i]);
    }
    shuffle(samples_, begins);
  }

  std::int64_t size() const { return std::ssize(samples_); }
  Tokens sample(std::int64_t i) const {
    const auto begin = stream_.begin() + samples_[i] * sequence_;
    return {begin, begin + sequence_ + 1};
  }

 private:
  // Swaps each place with one of its block, from the end.
  void shuffle(std::vector<std::int64_t>& all,
               const std::vector<std::int64_t>& begins) const {
    for (std::int64_t i = std::ssize(all) - 1; i >= 0; --i) {
      const std::int64_t first =
          *(std::upper_bound(begins.begin(), begins.end(), i) - 1);
      if (i > first) {
        std::swap(all[i], all[first + random_.below(i - first + 1, i)]);
      }
    }
  }

  std::int64_t sequence_;
  RandomStream random_;
  Tokens stream_;
  std::vector<std::int64_t> samples_;
};

Tokens sample_of(const Dataset& data, std::int64_t i) {
  Tokens tokens(data.sample_tokens());
  data.sample(i, tokens);
  return tokens;
}

TEST(GptDataset, EqualsTheSlowOneOnRandomConfigurations) {
  const TestDirectory directory;
  int compared = 0;
  for (std::uint64_t trial = 0; trial < 150; ++trial) {
    const RandomStream random(trial, "test");
    const TestDocuments documents = random_documents(random);
    write_dataset(directory / "x", documents);
    const auto data = std::make_shared<IndexedDataset>(directory / "x");
    const auto sequences = static_cast<std::uint64_t>(data->sequences());
    GptDatasetOptions options;
    options.range.begin = random.below(sequences, 100);
    options.range.end = options.range.begin + 1 +
                        random.below(sequences - options.range.begin, 101);
    options.sequence = 1 + random.below(9, 102);
    options.samples = random.below(60, 103);
    options.seed = trial;
    options.order =
        trial % 2 == 0 ? SampleOrder::kByEpoch : SampleOrder::kJoint;
    options.index_cache = directory / "cache";
    std::int64_t tokens = 0;
    for (std::int64_t d = options.range.begin; d < options.range.end; ++d) {
      tokens += std::ssize(documents[d]);
    }
    if (tokens <= options.sequence) {
      EXPECT_THROW(GptDataset(data, options), Error);
      continue;
    }
    const SlowDataset slow(documents, options);
    for (int built_then_loaded = 0; built_then_loaded < 2;
         ++built_then_loaded) {
      const GptDataset fast(data, options);
      ASSERT_EQ(fast.size(), slow.size()) << "trial " << trial;
      for (std::int64_t i = 0; i < fast.size(); ++i) {
        ASSERT_EQ(sample_of(fast, i), slow.sample(i)) << "trial " << trial;
      }
    }
    ++compared;
  }
  EXPECT_GT(compared, 100);
}

struct GptDatasetTest : testing::Test {
  TestDirectory directory;
  std::shared_ptr<IndexedDataset> data = [&] {
    write_dataset(directory / "x", {{1, 2, 3}, {4, 5}, {6, 7, 8, 9}});
    return std::make_shared<IndexedDataset>(directory / "x");
  }();

  std::string error(const GptDatasetOptions& options) const {
    return error_of([&] {
      const GptDataset dataset(data, options);
      for (std::int64_t i = 0; i < dataset.size(); ++i) {
        sample_of(dataset, i);
      }
    });
  }
};

// Consecutive samples share a token; otherwise an epoch gives each token once.
TEST_F(GptDatasetTest, AnEpochReadsEveryTargetOnce) {
  const GptDataset dataset(data, {.range = {0, 3}, .sequence = 2, .seed = 3});
  ASSERT_EQ(dataset.size(), 4);
  Tokens targets;
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const Tokens tokens = sample_of(dataset, i);
    targets.insert(targets.end(), tokens.begin() + 1, tokens.end());
  }
  std::sort(targets.begin(), targets.end());
  EXPECT_THAT(targets, testing::SizeIs(8));
  EXPECT_EQ(std::unique(targets.begin(), targets.end()), targets.end());
}

TEST_F(GptDatasetTest, NamesTheDocumentWithATokenBeyondTheVocabulary) {
  EXPECT_EQ(error({.range = {0, 3}, .sequence = 2, .vocabulary = 10}), "");
  EXPECT_THAT(error({.range = {0, 3}, .sequence = 2, .vocabulary = 9}),
              HasSubstr("document 2 holds token id 9, but the vocabulary has "
                        "9"));
}

TEST_F(GptDatasetTest, SaysThatItIsShorterThanASample) {
  EXPECT_EQ(error({.range = {0, 3}, .sequence = 8}), "");
  EXPECT_THAT(error({.range = {0, 3}, .sequence = 9}),
              HasSubstr("have 9 tokens, less than the 10 of one sample"));
  EXPECT_THAT(error({.range = {1, 1}, .sequence = 2}),
              HasSubstr("gets none of its"));
  EXPECT_THAT(error({.range = {1, 4}, .sequence = 2}), HasSubstr("wanted"));
}

TEST_F(GptDatasetTest, RefusesASampleThatItDoesNotHave) {
  const GptDataset dataset(data, {.range = {0, 3}, .sequence = 2});
  EXPECT_THAT(error_of([&] { sample_of(dataset, 4); }),
              HasSubstr("wanted sample 4 of 4"));
  EXPECT_NE(error_of([&] { sample_of(dataset, -1); }), "");
  Tokens wrong(2);
  EXPECT_THAT(error_of([&] { dataset.sample(0, wrong); }),
              HasSubstr("a sample has 3 tokens"));
}

}  // namespace
}  // namespace dure::data
