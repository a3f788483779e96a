// Which algorithm is the quickest, from the cost of a message.
//
// A message of n bytes takes latency + n / bandwidth; a rank sends one and
// receives one at a time (the model of Thakur, Rabenseifner & Gropp 2005,
// section 3, without the arithmetic). So n bytes on N ranks, N a power of two,
// with latency a and bandwidth b, take
//
//                     broadcast                 all_reduce
//   tree              log2 N (a + n/b)          2 log2 N (a + n/b)
//   halving-doubling  2 log2 N a + 2 (N-1)/N n/b, both
//   ring              2 (N-1) a + 2 (N-1)/N n/b, both
//
// A tree is the quickest to broadcast or reduce few bytes. If N is not a power
// of two, halving-doubling sends everything two more times in all_reduce, so
// from some size on the ring is better.
#pragma once

#include "dure/comm/collective.h"

namespace dure::comm {

struct Link {
  double latency_seconds = 0;
  double bytes_per_second = 0;
};

// Round figures for MPI between processes of one machine, and for a fast
// network. Only the product matters to the choice: the bytes that travel in the
// time of one latency.
inline constexpr Link kUsualLink = {.latency_seconds = 2e-6,
                                    .bytes_per_second = 5e9};

// The time of a plan by these formulas. `bytes` is the size of the whole tensor
// (traffic.h), on ranks that divide it. For all_gather and reduce_scatter by
// halving-doubling it is exact if the number of ranks is a power of two, else
// approximate.
double seconds_of(
    Kind kind, Algorithm algorithm, double bytes, int ranks, const Link& link);

// The quickest algorithm that has a plan with sums in this order. For scatter
// and gather it is always kRoot: a tree needs counts that not all ranks may
// have.
Algorithm choose(Kind kind,
                 double bytes,
                 int ranks,
                 SumOrder order,
                 const Link& link = kUsualLink);

}  // namespace dure::comm
