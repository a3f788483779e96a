#include "dure/data/mixture.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

namespace dure::data {
namespace {

using testing::ElementsAre;

class SizedDataset : public Dataset {
 public:
  explicit SizedDataset(std::int64_t size) : size_(size) {}
  std::int64_t size() const override { return size_; }
  std::int64_t sample_tokens() const override { return 1; }
  void sample(std::int64_t, std::span<std::int32_t>) const override {}

 private:
  std::int64_t size_;
};

Mixture mixture_of(const std::vector<std::pair<double, std::int64_t>>& parts) {
  Mixture mixture;
  for (const auto& [weight, size] : parts) {
    mixture.push_back({weight, std::make_unique<SizedDataset>(size)});
  }
  return mixture;
}

TEST(Mixture, SharesSamplesOutByWeight) {
  const Mixture mixture = mixture_of({{0.75, 100}, {0.25, 100}});
  EXPECT_THAT(share_out(mixture, 40), ElementsAre(30, 10));
  EXPECT_THAT(sizes_of(mixture), ElementsAre(100, 100));
}

TEST(Mixture, ReadsOneOfEachAtLeastAndNothingTwice) {
  EXPECT_THAT(share_out(mixture_of({{0.99, 7}, {0.01, 7}}), 10),
              ElementsAre(7, 1));
  EXPECT_THAT(
      share_out(mixture_of({{0.5, 3}, {0.5, 1000}}), std::int64_t{1} << 62),
      ElementsAre(3, 1000));
}

}  // namespace
}  // namespace dure::data
