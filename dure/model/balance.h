// Divides a row of loads into so many consecutive parts that the heaviest is as
// light as possible: PipeDream's dynamic programme [1, section 3.1] without
// replication,
//
//   A(j, m) = min over i < j of max(A(i, m - 1), links[i - 1], load of [i, j))
//
// with A(j, m) the slowest of m parts of the first j items.
//
// [1] Narayanan et al. 2019, "PipeDream: Generalized Pipeline Parallelism for
// DNN Training", SOSP.
#pragma once

#include <cstdint>
#include <vector>

namespace dure::model {

struct BalanceProblem {
  std::vector<double> loads = {};  // 0 or more each

  // The cost of a cut behind item i, beside the parts' own work; as many as
  // loads (the last is never used), or empty if cuts are free.
  std::vector<double> links = {};
};

// How many items each part has, 1 or more; `parts` must be from 1 to the number
// of loads. Among divisions with the same heaviest part or cut it takes the one
// with the least sum of squared loads, then the one with the least sum of
// squared counts, then the one with the fewest items in its last part, and so
// on towards the front.
std::vector<std::int64_t> balance(const BalanceProblem& problem, int parts);

}  // namespace dure::model
