// Plans without relays: through a root, or from every rank to every rank.
#include "dure/comm/algorithm/plan_builder.h"

namespace dure::comm {
namespace {

// A rank's share of the root's data: everything, or that rank's piece.
enum class Share : std::uint8_t { kAll, kOwn };

Pieces share_of(const PlanBuilder& b, Share share, int rank) {
  return share == Share::kAll ? b.all() : b.one(rank);
}

void from_root(PlanBuilder& b, Share share) {
  if (b.rank() != b.root()) {
    b.receive(b.root(), share_of(b, share, b.rank()));
  }
  for (int k = 1; b.rank() == b.root() && k < b.ranks(); ++k) {
    const int peer = b.along(b.rank(), k);
    b.send(peer, share_of(b, share, peer));
  }
  b.end_rounds();
}

void gather_to_root(PlanBuilder& b) {
  if (b.rank() != b.root()) {
    b.send(b.root(), b.one(b.rank()));
  }
  for (int k = 1; b.rank() == b.root() && k < b.ranks(); ++k) {
    const int peer = b.along(b.rank(), k);
    b.receive(peer, b.one(peer));
  }
  b.end_rounds();
}

void reduce_to_root(PlanBuilder& b) {
  if (b.rank() != b.root()) {
    b.send(b.root(), b.all(), Payload::kSummand);
  }
  for (int k = 1; b.rank() == b.root() && k < b.ranks(); ++k) {
    b.reduce(b.along(b.rank(), k), b.all(), Payload::kSummand);
  }
  b.end_rounds();
}

// A rank sends to the one at distance k while it receives from that at -k, so a
// rank never receives from all at once.
void reduce_own_pieces(PlanBuilder& b) {
  for (int k = 1; k < b.ranks(); ++k) {
    const int to = b.along(b.rank(), k);
    b.send(to, b.one(to), Payload::kSummand);
    b.reduce(b.along(b.rank(), -k), b.one(b.rank()), Payload::kSummand);
  }
  b.end_rounds();
}

// `knowing` has all pieces already; negative: no rank has.
void gather_own_pieces(PlanBuilder& b, int knowing) {
  for (int k = 1; k < b.ranks(); ++k) {
    const int to = b.along(b.rank(), k);
    const int from = b.along(b.rank(), -k);
    if (to != knowing) {
      b.send(to, b.one(b.rank()));
    }
    if (b.rank() != knowing) {
      b.receive(from, b.one(from));
    }
  }
  b.end_rounds();
}

void exchange(PlanBuilder& b) {
  for (int k = 1; k < b.ranks(); ++k) {
    const int to = b.along(b.rank(), k);
    const int from = b.along(b.rank(), -k);
    b.send(to, b.one(to));
    b.receive(from, b.one(from));
  }
  b.end_rounds();
}

constexpr int kNobody = -1;

}  // namespace

void plan_root(PlanBuilder& b, Kind kind) {
  switch (kind) {
    case Kind::kBroadcast:
      return from_root(b, Share::kAll);
    case Kind::kReduce:
      return reduce_to_root(b);
    case Kind::kScatter:
      return from_root(b, Share::kOwn);
    case Kind::kGather:
      return gather_to_root(b);
    case Kind::kAllGather:
      gather_to_root(b);
      return from_root(b, Share::kAll);
    case Kind::kReduceScatter:
      reduce_to_root(b);
      return from_root(b, Share::kOwn);
    default:  // all_reduce, barrier
      reduce_to_root(b);
      return from_root(b, Share::kAll);
  }
}

void plan_all_to_all(PlanBuilder& b, Kind kind) {
  switch (kind) {
    case Kind::kBroadcast:  // scatter and all_gather [1, section 4.2]
      from_root(b, Share::kOwn);
      return gather_own_pieces(b, b.root());
    case Kind::kReduce:
      reduce_own_pieces(b);
      return gather_to_root(b);
    case Kind::kAllReduce:
      reduce_own_pieces(b);
      return gather_own_pieces(b, kNobody);
    case Kind::kReduceScatter:
      return reduce_own_pieces(b);
    case Kind::kAllToAll:
      return exchange(b);
    default:  // all_gather, barrier
      return gather_own_pieces(b, kNobody);
  }
}

}  // namespace dure::comm
