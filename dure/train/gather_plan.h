// Who gives what, where ranks hold parts of a row of elements and one of them
// wants all: a plan.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace dure::train {

struct Stretch {
  std::int64_t first = 0;  // elements [first, last)
  std::int64_t last = 0;
  bool operator==(const Stretch&) const = default;
};

// What both have; empty (first >= last) where they have nothing in common.
Stretch common(const Stretch& a, const Stretch& b);

struct Given {
  Stretch stretch;
  int rank = 0;
  bool operator==(const Given&) const = default;
};

// `held`: what each rank has, its stretches without overlaps. Each element that
// some rank has is given once, by the lowest of its holders: so what rank 0
// has, it need not receive. Each given stretch lies within one that is held. In
// the order of the elements.
std::vector<Given> plan_gather(std::span<const std::vector<Stretch>> held);

// The first of `elements` elements that nobody gives.
std::optional<std::int64_t> first_missing(std::span<const Given> plan,
                                          std::int64_t elements);

// The part of a plan that speaks of `wanted`, cut to it.
std::vector<Given> givers_of(std::span<const Given> plan,
                             const Stretch& wanted);

}  // namespace dure::train
