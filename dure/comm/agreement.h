// A small header of each rank's collective, which ranks compare before they
// start.
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
  std::uint64_t counts = 0;  // a hash; 0: this rank does not know
};

Header header_of(const Request& request);

// "" if the headers of all ranks, in order, agree; else a text that says which
// ranks called which collective.
std::string disagreement(std::span<const Header> headers);

std::string describe(const Header& header);

}  // namespace dure::comm
