#include "dure/tensor/ledger.h"

#include <gtest/gtest.h>

namespace dure {
namespace {

TEST(Ledger, KeepsTheAccountsOfTiersApart) {
  Ledger ledger;
  ledger.add(Category::kOptimizer, 100);
  ledger.add(Category::kOptimizer, 1000, Tier::kHost);
  ledger.add(Category::kParameters, 10, Tier::kHost);
  ledger.subtract(Category::kOptimizer, 400, Tier::kHost);
  EXPECT_EQ(ledger.current(Category::kOptimizer), 100U);
  EXPECT_EQ(ledger.current(Category::kOptimizer, Tier::kHost), 600U);
  EXPECT_EQ(ledger.peak(Category::kOptimizer, Tier::kHost), 1000U);
  EXPECT_EQ(ledger.current(Tier::kHost), 610U);
  EXPECT_EQ(ledger.peak(Tier::kHost), 1010U);
  EXPECT_EQ(ledger.peak(), 100U);
  EXPECT_EQ(ledger.peak(Tier::kDisk), 0U);
  EXPECT_EQ(ledger.allocations(), 3U);
}

// The peak of the whole is that of one moment, not the sum of the peaks.
TEST(Ledger, TakesThePeakOfAllTogether) {
  Ledger ledger;
  ledger.add(Category::kActivations, 70);
  ledger.subtract(Category::kActivations, 70);
  ledger.add(Category::kWorkspace, 80);
  EXPECT_EQ(ledger.peak(), 80U);
  EXPECT_EQ(ledger.peak(Category::kActivations), 70U);
}

TEST(Ledger, SaysWhatOneTierHolds) {
  Ledger ledger;
  ledger.add(Category::kOptimizer, std::size_t{1} << 30, Tier::kHost);
  EXPECT_NE(to_string(ledger, Tier::kHost).find("optimizer 1.000 GiB"),
            std::string::npos);
  EXPECT_NE(to_string(ledger).find("optimizer 0.000 GiB"), std::string::npos);
}

}  // namespace
}  // namespace dure
