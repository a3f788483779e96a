// Which algorithm is the quickest, by what a message costs.
//
// A message of n bytes takes latency + n / bandwidth; a rank sends one and
// receives one at a time (the model of Thakur, Rabenseifner & Gropp 2005,
// section 3, without the arithmetic). So n bytes on N ranks, a power of two, of
// latency a and bandwidth b, take
//
//                     broadcast                 all_reduce
//   tree              log2 N (a + n/b)          2 log2 N (a + n/b)
//   halving-doubling  2 log2 N a + 2 (N-1)/N n/b, both
//   ring              2 (N-1) a + 2 (N-1)/N n/b, both
//
// A tree is the quickest to broadcast or reduce few bytes. Of other numbers of
// ranks than powers of two halving-doubling sends everything two more times in
// all_reduce: the ring is better from some size on.
#pragma once

#include "dure/comm/collective.h"

namespace dure::comm {

struct Link {
  double latency_seconds = 0;
  double bytes_per_second = 0;
};

// Of MPI between processes of one machine, and of a fast network, in round
// figures. To the choice only the product matters: so many bytes travel in the
// time that a message takes to be on its way.
inline constexpr Link kUsualLink = {.latency_seconds = 2e-6,
                                    .bytes_per_second = 5e9};

// Of a plan, by these formulas. `bytes`: of the whole (traffic.h), on ranks
// that divide it; by halving-doubling, of all_gather and reduce_scatter, on a
// power of two of them (else about).
double seconds_of(
    Kind kind, Algorithm algorithm, double bytes, int ranks, const Link& link);

// The quickest that has a plan with sums in this order. Of scatter and gather
// always kRoot: a tree needs counts that not all ranks may have.
Algorithm choose(Kind kind,
                 double bytes,
                 int ranks,
                 SumOrder order,
                 const Link& link = kUsualLink);

}  // namespace dure::comm
