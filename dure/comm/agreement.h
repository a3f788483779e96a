// What ranks compare before a collective: a small header of each.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "dure/comm/collective.h"

namespace dure::comm {

// Trivially copyable, so that it can travel as bytes.
struct Header {
  Kind kind = Kind::kBarrier;
  DType dtype = DType::kF32;
  Reduction reduction = Reduction::kSum;
  SumOrder sums = SumOrder::kFast;
  Algorithm algorithm = Algorithm::kAutomatic;
  std::int32_t root = 0;
  std::int64_t given = 0;    // elements of x
  std::int64_t wanted = 0;   // elements of y
  std::uint64_t counts = 0;  // a hash; 0: not known to this rank
};

Header header_of(const Request& request);

// "" where the headers of all ranks, in order, go together; else which ranks
// called what.
std::string disagreement(std::span<const Header> headers);

std::string describe(const Header& header);

}  // namespace dure::comm
