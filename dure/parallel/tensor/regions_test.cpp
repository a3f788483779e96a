#include "dure/parallel/tensor/regions.h"

#include <algorithm>
#include <fmt/core.h>
#include <functional>
#include <gmock/gmock.h>
#include <string>
#include <tuple>
#include <vector>

#include "dure/base/check.h"
#include "dure/launch/run_ranks.h"

namespace dure::parallel {
namespace {

constexpr std::int64_t kN = 8;
constexpr std::int64_t kC = 3;

// Tests on ranks as threads, with the stream whole and cut.
class Regions : public testing::TestWithParam<std::tuple<int, Rows>> {
 protected:
  static int ranks() { return std::get<0>(GetParam()); }
  static Rows rows() { return std::get<1>(GetParam()); }

  // Runs body(axis) on every rank.
  static void run(const std::function<void(const TensorAxis&)>& body) {
    launch::run_ranks({.ranks = ranks()}, [&](comm::Communicator& world) {
      Stream stream(Device::kCpu);
      Arena arena(stream);
      body({.stream = &stream,
            .arena = &arena,
            .ranks = &world,
            .rows = rows()});
    });
  }

  // The rows of the stream: N / T if it is cut.
  static std::int64_t own_rows() {
    return rows() == Rows::kCut ? kN / ranks() : kN;
  }
};

std::string name_of(const testing::TestParamInfo<std::tuple<int, Rows>>& info) {
  const auto [ranks, rows] = info.param;
  return fmt::format("{}{}", rows == Rows::kCut ? "Cut" : "Whole", ranks);
}

INSTANTIATE_TEST_SUITE_P(Tensor,
                         Regions,
                         testing::Combine(testing::Values(1, 2, 4),
                                          testing::Values(Rows::kWhole,
                                                          Rows::kCut)),
                         name_of);

// The values are small whole numbers, whose sums are exact in any order.
float value_of(std::int64_t element) {
  return static_cast<float>(element % 31 + 1);
}

OwnedTensor fresh(const TensorAxis& axis, std::int64_t rows) {
  return axis.arena->tensor({rows, kC}, Category::kActivations, DType::kF32);
}

TEST_P(Regions, AllRowsAreThoseOfEveryRank) {
  run([](const TensorAxis& axis) {
    const OwnedTensor stream = fresh(axis, own_rows());
    const std::int64_t first = axis.own(kN).first * kC;
    for (std::int64_t i = 0; i < stream.elements(); ++i) {
      stream.data<float>()[i] = value_of(first + i);
    }
    AllRows all(axis, stream);
    ASSERT_EQ(all.get().shape(), Shape({kN, kC}));
    for (std::int64_t i = 0; i < kN * kC; ++i) {
      ASSERT_EQ(all.get().data<float>()[i], value_of(i)) << i;
    }
  });
}

TEST_P(Regions, RowsTakeMemoryOnceTheyAreOnTheirWay) {
  run([](const TensorAxis& axis) {
    const OwnedTensor stream = fresh(axis, own_rows());
    std::fill_n(stream.data<float>(), stream.elements(), 1.F);
    const auto gathered = [&] {
      return axis.arena->ledger().current(Category::kWorkspace);
    };
    {
      AllRows first(axis, stream);
      EXPECT_EQ(gathered(), 0U);
      first.start();
      AllRows all = std::move(first);  // on the way
      ASSERT_EQ(all.get().data<float>()[kN * kC - 1], 1);
    }
    EXPECT_EQ(gathered(), 0U);
  });
}

TEST_P(Regions, APartialSumIsThatOfEveryRanksSummand) {
  run([](const TensorAxis& axis) {
    const OwnedTensor y = fresh(axis, own_rows());
    PartialSum sum(axis, y);
    ASSERT_EQ(sum.summand().shape(), Shape({kN, kC}));
    for (std::int64_t i = 0; i < kN * kC; ++i) {
      sum.summand().data<float>()[i] =
          value_of(i) * static_cast<float>(axis.ranks->rank() + 1);
    }
    sum.run();
    const std::int64_t T = axis.ranks->size();
    const std::int64_t first = axis.own(kN).first * kC;
    for (std::int64_t i = 0; i < y.elements(); ++i) {
      ASSERT_EQ(y.data<float>()[i],
                value_of(first + i) * static_cast<float>(T * (T + 1) / 2));
    }
  });
}

// Everything that a rank adds on the rows that it completes is in the sum once.
TEST_P(Regions, EveryRowIsCompletedByOneRank) {
  run([](const TensorAxis& axis) {
    const OwnedTensor y = fresh(axis, own_rows());
    PartialSum sum(axis, y);
    std::int64_t next = 0;
    for_each_share(axis, kN, [&](RowRange rows, bool is_mine) {
      EXPECT_EQ(rows.first, next);
      EXPECT_GT(rows.count, 0);
      next += rows.count;
      for (std::int64_t i = 0; i < rows.count * kC; ++i) {
        sum.summand().rows(rows.first, rows.count).data<float>()[i] =
            is_mine ? 1 : 0;
      }
    });
    EXPECT_EQ(next, kN);
    sum.run();
    for (std::int64_t i = 0; i < y.elements(); ++i) {
      ASSERT_EQ(y.data<float>()[i], 1);
    }
  });
}

// The cost is an all-reduce, or its two halves with as many bytes: a
// reduce-scatter and an all-gather.
TEST_P(Regions, CostAnAllReduceOrItsHalves) {
  run([](const TensorAxis& axis) {
    const OwnedTensor y = fresh(axis, own_rows());
    const auto calls = [&](comm::Kind kind) {
      return axis.ranks->traffic().of(axis.ranks->axis(), kind).calls;
    };
    PartialSum(axis, y).run();
    AllRows(axis, y).get();
    const bool cut = rows() == Rows::kCut;
    EXPECT_EQ(calls(comm::Kind::kAllReduce), cut ? 0U : 1U);
    EXPECT_EQ(calls(comm::Kind::kReduceScatter), cut ? 1U : 0U);
    EXPECT_EQ(calls(comm::Kind::kAllGather), cut ? 1U : 0U);
  });
}

TEST_P(Regions, OnlyWholeRowsAreOfAnyNumber) {
  run([](const TensorAxis& axis) {
    EXPECT_EQ(axis.all_rows(axis.stream_rows(kN)), kN);
    if (rows() == Rows::kCut && ranks() > 1) {
      EXPECT_THROW(axis.stream_rows(kN + 1), Error);
    } else {
      EXPECT_EQ(axis.stream_rows(kN + 1), kN + 1);
    }
  });
}

}  // namespace
}  // namespace dure::parallel
