// How a model knows the order of its tokens, and what attention needs for that.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "dure/mesh/placement.h"

namespace dure::nn {

struct NoPositions {};       // the pattern alone
struct LearnedPositions {};  // a table that the embedding adds (embedding.h)

// Queries and keys are rotated by their positions (kernels/rope.h).
struct RotaryPositions {
  double theta = 10000;
};

// Scores lose `slope` for each position between query and key [1].
//
// [1] Press et al. 2022, arXiv:2108.12409.
struct AlibiPositions {
  std::vector<float> slopes = {};  // one for each head on this rank
};

// Scores gain a table's value for the head and the distance; passes get the
// table.
struct RelativePositions {
  std::int64_t zero = 0;  // the table's column of distance 0
};

using Positions = std::variant<NoPositions,
                               LearnedPositions,
                               RotaryPositions,
                               AlibiPositions,
                               RelativePositions>;

// The slopes of `heads` heads, which are those of a part, by the published rule
// [1, section 3]: of n heads in all, 2^(-8 / n), 2^(-16 / n) .. 2^-8. If n is
// no power of two, they are those of the greatest power of two below it,
// followed by every other one of twice as many, from the first.
std::vector<float> alibi_slopes(std::int64_t heads, mesh::Part part);

}  // namespace dure::nn
