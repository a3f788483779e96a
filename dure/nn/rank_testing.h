// Helpers for tests of layers on several ranks: ranks as threads, each with a
// context, and parameters over vectors.
#pragma once

#include <cstdint>
#include <fmt/core.h>
#include <functional>
#include <string>
#include <tuple>
#include <utility>

#include <gtest/gtest.h>

#include "dure/comm/communicator.h"
#include "dure/kernels/testing.h"
#include "dure/launch/run_ranks.h"
#include "dure/nn/context.h"
#include "dure/nn/parameter.h"

namespace dure::nn {

using parallel::Rows;

// Runs body(ctx) on each of so many tensor ranks.
inline void on_ranks(int ranks,
                     Rows rows,
                     const std::function<void(Context&)>& body) {
  launch::run_ranks({.ranks = ranks}, [&](comm::Communicator& world) {
    Stream stream(Device::kCpu);
    Arena arena(stream);
    Context ctx = {
        .stream = stream,
        .arena = arena,
        .tensor = {
            .stream = &stream, .arena = &arena, .ranks = &world, .rows = rows}};
    body(ctx);
  });
}

// Tests over numbers of ranks, with the stream whole and cut.
class OnRanks : public testing::TestWithParam<std::tuple<int, Rows>> {
 protected:
  static int ranks() { return std::get<0>(GetParam()); }
  static void run(const std::function<void(Context&)>& body) {
    on_ranks(ranks(), std::get<1>(GetParam()), body);
  }
};

inline auto one_two_four_ranks() {
  return testing::Combine(testing::Values(1, 2, 4),
                          testing::Values(Rows::kWhole, Rows::kCut));
}
inline std::string name_of_ranks(
    const testing::TestParamInfo<std::tuple<int, Rows>>& info) {
  const auto [ranks, rows] = info.param;
  return fmt::format("{}{}", rows == Rows::kCut ? "Cut" : "Whole", ranks);
}

// Rows [first, first + count) of a matrix with C columns.
inline kernels::Values rows_of(const kernels::Values& whole,
                               parallel::RowRange rows,
                               std::int64_t C) {
  const auto begin = whole.begin() + rows.first * C;
  return {begin, begin + rows.count * C};
}

// Part `part` of the rows of a matrix, as a parameter. The gradient begins with
// a value that no sum may contain.
class PartOfRows {
 public:
  PartOfRows(const kernels::Values& whole, std::int64_t C, mesh::Part part)
      : rows_(static_cast<std::int64_t>(whole.size()) / C / part.count),
        values(rows_of(whole, {part.index * rows_, rows_}, C)),
        gradient(values.size(), 1e30F) {
    parameter.value = kernels::tensor(values, {rows_, C});
    parameter.gradient = kernels::tensor(gradient, {rows_, C});
  }
  PartOfRows(const PartOfRows&) = delete;
  PartOfRows& operator=(const PartOfRows&) = delete;
  ~PartOfRows() = default;

 private:
  std::int64_t rows_;

 public:
  kernels::Values values;
  kernels::Values gradient;
  Parameter parameter;
};

}  // namespace dure::nn
