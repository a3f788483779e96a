// Which part of a data set is for which use, and in which mixture: arithmetic
// on the texts of a configuration.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace dure::data {

// Sequences [begin, end) of a data set.
struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;

  std::int64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

// The splits are train, validation and test.
inline constexpr int kSplits = 3;
using Shares = std::array<double, kSplits>;

// "969,30,1": up to three numbers with any sum; missing ones are 0. Throws
// UsageError for anything else.
Shares parse_split(const std::string& text);

// The three ranges of `sequences`, cut as Megatron cuts them: each bound is its
// cumulative share of the sequences, rounded half to even.
std::array<Range, kSplits> split_ranges(const Shares& shares,
                                        std::int64_t sequences);

struct BlendSource {
  double weight = 0;  // 0: by its size
  std::string prefix;
  bool operator==(const BlendSource&) const = default;
};

// Parses prefixes, or weights and prefixes in turn: "0.3" "a" "0.7" "b". Throws
// UsageError for a mixture of both, or a weight that is not finite and above 0.
std::vector<BlendSource> parse_blend(const std::vector<std::string>& list);

}  // namespace dure::data
