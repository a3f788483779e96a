// How a collective travels, as data: which rank sends which pieces to whom,
// when.
//
// The elements are cut into pieces. A plan lists what one rank does with them,
// in rounds that all ranks count alike: a message sent in round 3 is received
// in round 3. One executor carries a plan out (plan_execution.h), the simulator
// times it (sim/), and the tests run all ranks' plans on symbols.
//
//   root              everything through one rank: a parameter server,
//                     DataParallel
//   all-to-all        every rank owns a piece: all send it theirs of it, it
//                     sends what it made of them to all
//   ring              the same by neighbours alone, N - 1 rounds each way:
//                     2(N-1)/N of the bytes a rank, the least there is [1, 2]
//   chain             the ring without pieces: the partial sum walks 0, 1, 2,
//                     3, then the total does: 2(N-1) hops of everything
//   halving-doubling  halves are exchanged over halving distances, then put
//                     together again over doubling ones: 2 log2 N rounds [1, 3]
//   tree              binomial: log2 N rounds of everything [1]
//
// If the number of ranks is not a power of two, halving-doubling pairs the
// first ranks; one of each pair sends its data to the other, waits, and gets
// the result [1, section 4.5].
//
// [1] Thakur, Rabenseifner & Gropp 2005, "Optimization of collective
// communication operations in MPICH". [2] Patarasuk & Yuan 2009, "Bandwidth
// optimal all-reduce algorithms for clusters of workstations". [3] Rabenseifner
// 2004, "Optimization of collective reduction operations".
#pragma once

#include <cstdint>
#include <vector>

#include "dure/comm/collective.h"

namespace dure::comm {

// A half-open range of pieces.
struct Pieces {
  int first = 0;
  int last = 0;

  int count() const { return last - first; }
  bool operator==(const Pieces&) const = default;
};

enum class Transfer : std::uint8_t {
  kSend,
  kReceive,  // and keep: it takes the place of what was there
  kReduce,   // receive, and reduce with what is there
};

enum class Payload : std::uint8_t {
  kData,     // to be kept
  kSummand,  // one rank's x, to be reduced
  kPartial,  // several ranks' x, reduced: f32 for 16-bit floats
};

struct Step {
  int round = 0;
  Transfer transfer = Transfer::kSend;
  Payload payload = Payload::kData;
  int peer = 0;
  // In all_to_all a sent piece has the peer's number in x, and a received one
  // the peer's number in y.
  Pieces pieces = {};
  bool operator==(const Step&) const = default;
};

// The collective and the rank that a plan is for.
struct PlanKey {
  Kind kind = Kind::kAllReduce;
  Algorithm algorithm = Algorithm::kRing;
  int rank = 0;
  int ranks = 1;
  int root = 0;  // where the kind has one
};

// Steps are in the order of rounds, and the messages of a round between two
// ranks in the order in which they are sent and received. Reductions are made
// when all messages of the round are there: for each piece, the rank's own data
// and what came, in the order of the ranks.
struct Plan {
  PlanKey of = {};
  int pieces = 1;  // one for each rank if the kind has parts, else near-even
  int rounds = 0;  // of the plan; this rank may sit some out
  std::vector<Step> steps = {};
};

Plan plan_of(const PlanKey& of);

// Whether there is a plan whose sums are in this order. The plans root,
// all-to-all and chain are ranked: they reduce in the order of the ranks.
bool has_plan(Kind kind, Algorithm algorithm, SumOrder order);

// Whether the order of sums can show in the result. It can't without sums, in
// whole numbers, and in minima and maxima.
SumOrder order_of(const Request& request);

// The messages that the steps of one rank send.
struct PlanTraffic {
  std::int64_t messages = 0;
  std::int64_t elements = 0;
  std::int64_t partial_elements = 0;  // those of them that are partial sums
};

// `counts` are the elements of each piece.
PlanTraffic traffic_of(const Plan& plan, const Counts& counts);

}  // namespace dure::comm
