#include "examples/data_parallel/form_plan.h"

#include <fmt/core.h>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "dure/base/check.h"

namespace dure::data_parallel {
namespace {

constexpr int kMostRanks = 64;

// The tested numbers of ranks, up to 64, divide the rows but not the weights.
FormSizes sizes_for(int ranks) {
  return {.weights = 1'000'003,
          .rows = 24 * ranks,
          .columns = 128,
          .optimizer_bytes_per_weight = 8};
}

// The traffic through rank 0 in each form, worked by hand: the elements that it
// sends, and those that it gets, without its own.
struct AtRoot {
  std::int64_t sent;
  std::int64_t received;
};

AtRoot by_hand(Form form, const FormSizes& s, int ranks) {
  const std::int64_t others = ranks - 1;
  const std::int64_t rows = s.rows / ranks * others;  // of the other ranks
  const std::int64_t logits = rows * s.columns;
  const std::int64_t weights = s.weights * others;
  switch (form) {
    case Form::kDataParallel:
      return {rows + weights + logits, logits + weights};
    case Form::kLossOnRanks:
      return {2 * rows + weights, rows + weights};
    case Form::kParameterServer:
    case Form::kReduceBroadcast:
      return {weights, rows + weights};
    default:
      return {0, rows};
  }
}

bool through_root(Form form) {
  return form != Form::kAllReduce && form != Form::kBuckets;
}

TEST(FormPlan, RankZeroCarriesWhatItsFormSays) {
  for (int ranks = 1; ranks <= kMostRanks; ++ranks) {
    for (const Form form : kForms) {
      if (!through_root(form)) {
        continue;
      }
      SCOPED_TRACE(fmt::format("{}, {} ranks", name_of(form), ranks));
      const FormSizes sizes = sizes_for(ranks);
      const FormPlan plan = plan_form(form, sizes, ranks);
      const AtRoot root = by_hand(form, sizes, ranks);
      EXPECT_EQ(traffic_of(plan, 0),
                (FormTraffic{4 * root.sent, 4 * root.received}));
      for (int rank = 1; rank < ranks; ++rank) {
        EXPECT_EQ(traffic_of(plan, rank),
                  (FormTraffic{4 * root.received / (ranks - 1),
                               4 * root.sent / (ranks - 1)}));
      }
    }
  }
}

// A ring sends 2 (N - 1)/N of the weights, up to the uneven pieces: there are N
// pieces of sizes that differ by one element, and a rank sends 2 (N - 1) of
// them.
TEST(FormPlan, RingsSpareRankZero) {
  for (int ranks = 1; ranks <= kMostRanks; ++ranks) {
    for (const Form form : {Form::kAllReduce, Form::kBuckets}) {
      SCOPED_TRACE(fmt::format("{}, {} ranks", name_of(form), ranks));
      const FormSizes sizes = sizes_for(ranks);
      const FormPlan plan = plan_form(form, sizes, ranks);
      const std::int64_t hops = 2 * (ranks - 1);
      const std::int64_t losses = 4 * sizes.rows / ranks;
      for (int rank = 0; rank < ranks; ++rank) {
        const std::int64_t to_root = rank == 0 ? 0 : losses;
        const std::int64_t at_root = rank == 0 ? losses * (ranks - 1) : 0;
        const FormTraffic traffic = traffic_of(plan, rank);
        EXPECT_GE(traffic.sent, 4 * hops * (sizes.weights / ranks) + to_root);
        EXPECT_LE(traffic.sent,
                  4 * hops * (sizes.weights / ranks + 1) + to_root);
        EXPECT_GE(traffic.received,
                  4 * hops * (sizes.weights / ranks) + at_root);
        EXPECT_LE(traffic.received,
                  4 * hops * (sizes.weights / ranks + 1) + at_root);
      }
    }
  }
}

TEST(FormPlan, WhatIsSentIsReceived) {
  for (int ranks = 1; ranks <= kMostRanks; ++ranks) {
    for (const Form form : kForms) {
      SCOPED_TRACE(fmt::format("{}, {} ranks", name_of(form), ranks));
      const FormPlan plan = plan_form(form, sizes_for(ranks), ranks);
      std::int64_t sent = 0;
      std::int64_t received = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        sent += traffic_of(plan, rank).sent;
        received += traffic_of(plan, rank).received;
      }
      EXPECT_EQ(sent, received);
    }
  }
}

// For GPT-2 small and 16 x 256 tokens on 4 ranks, DataParallel's logits are 824
// MB on rank 0 and 206 MB elsewhere.
TEST(FormPlan, OnlyDataParallelBurdensRankZeroWithLogits) {
  const FormSizes gpt2 = {
      .weights = 124'439'808, .rows = 16 * 256, .columns = 50'304};
  const auto communication = [&](Form form, int rank) {
    return memory_of(plan_form(form, gpt2, 4), rank).communication;
  };
  EXPECT_EQ(communication(Form::kDataParallel, 0), 824'180'736 + 4 * 1024);
  EXPECT_EQ(communication(Form::kDataParallel, 3), 206'045'184 + 4 * 1024);
  EXPECT_EQ(communication(Form::kLossOnRanks, 0), 2 * 4 * 1024 + 4 * 4096);
  EXPECT_EQ(communication(Form::kLossOnRanks, 3), 2 * 4 * 1024);
  for (const Form form : {Form::kParameterServer, Form::kBuckets}) {
    EXPECT_EQ(communication(form, 0), 4 * 4096);
    EXPECT_EQ(communication(form, 3), 0);
  }
}

// A rank has 16 bytes a weight if it updates, and 8 if not.
TEST(FormPlan, OptimizersAreWhereUpdatesAre) {
  const FormSizes sizes = sizes_for(8);
  for (const Form form : kForms) {
    SCOPED_TRACE(name_of(form));
    const FormPlan plan = plan_form(form, sizes, 8);
    const bool everywhere = form == Form::kReduceBroadcast ||
                            form == Form::kAllReduce || form == Form::kBuckets;
    for (int rank = 0; rank < 8; ++rank) {
      const FormMemory memory = memory_of(plan, rank);
      EXPECT_EQ(memory.total() - memory.communication,
                (rank == 0 || everywhere ? 16 : 8) * sizes.weights);
    }
  }
}

TEST(FormPlan, NamesAreDistinct) {
  std::set<std::string> names;
  for (const Form form : kForms) {
    names.insert(name_of(form));
  }
  EXPECT_EQ(names.size(), kForms.size());
}

TEST(FormPlan, RefusesABatchThatRanksDoNotDivide) {
  EXPECT_THROW(plan_form(Form::kBuckets, {.weights = 10, .rows = 10}, 3),
               Error);
  EXPECT_THROW(plan_form(Form::kBuckets, {.weights = 10, .rows = 10}, 0),
               Error);
}

}  // namespace
}  // namespace dure::data_parallel
