// Plans in which every rank sends only to the next one: the ring, with pieces,
// and the chain, without. all_to_all, whose rounds are turns of the ring, is
// here, too.
#include "dure/comm/algorithm/plan_builder.h"

namespace dure::comm {
namespace {

// The payload of the rank at this place of a walk of sums.
Payload load_at(int place) {
  return place == 0 ? Payload::kSummand : Payload::kPartial;
}

// Piece p starts at rank p + 1 and ends at rank p as the sum of all.
void reduce_scatter(PlanBuilder& b) {
  for (int k = 0; k + 1 < b.ranks(); ++k) {
    b.send(b.along(b.rank(), 1), b.one(b.along(b.rank(), -1 - k)), load_at(k));
    b.reduce(
        b.along(b.rank(), -1), b.one(b.along(b.rank(), -2 - k)), load_at(k));
    b.end_rounds();
  }
}

void all_gather(PlanBuilder& b) {
  for (int k = 0; k + 1 < b.ranks(); ++k) {
    b.send(b.along(b.rank(), 1), b.one(b.along(b.rank(), -k)));
    b.receive(b.along(b.rank(), -1), b.one(b.along(b.rank(), -1 - k)));
    b.end_rounds();
  }
}

// A walk over all ranks from place 0 to place N - 1. Place i sends piece p in
// round i + p, so pieces follow one another.
template <typename Send, typename Take>
void walk(PlanBuilder& b, int place, const Send& send, const Take& take) {
  const int hops = b.ranks() - 1;
  const int rounds = hops == 0 ? 0 : hops + b.pieces() - 1;
  for (int round = 0; round < rounds; ++round) {
    const int sent = round - place;
    const int taken = sent + 1;
    if (place < hops && sent >= 0 && sent < b.pieces()) {
      send(b.along(b.rank(), 1), b.one(sent));
    }
    if (place > 0 && taken >= 0 && taken < b.pieces()) {
      take(b.along(b.rank(), -1), b.one(taken));
    }
    b.end_rounds();
  }
}

// Sends data along the ring from rank `first` to the one before it.
void walk_data(PlanBuilder& b, int first) {
  walk(
      b,
      b.along(b.rank(), -first),
      [&](int peer, Pieces pieces) { b.send(peer, pieces); },
      [&](int peer, Pieces pieces) { b.receive(peer, pieces); });
}

void walk_sums(PlanBuilder& b, int first) {
  const int place = b.along(b.rank(), -first);
  walk(
      b,
      place,
      [&](int peer, Pieces pieces) { b.send(peer, pieces, load_at(place)); },
      [&](int peer, Pieces pieces) {
        b.reduce(peer, pieces, load_at(place - 1));
      });
}

// Sends the total from the last rank to the root.
void hand_over(PlanBuilder& b) {
  const int last = b.ranks() - 1;
  if (b.root() == last) {
    return;
  }
  if (b.rank() == last) {
    b.send(b.root(), b.all());
  } else if (b.rank() == b.root()) {
    b.receive(last, b.all());
  }
  b.end_rounds();
}

void exchange(PlanBuilder& b) {
  for (int k = 1; k < b.ranks(); ++k) {
    const int to = b.along(b.rank(), k);
    const int from = b.along(b.rank(), -k);
    b.send(to, b.one(to));
    b.receive(from, b.one(from));
    b.end_rounds();
  }
}

}  // namespace

void plan_ring(PlanBuilder& b, Kind kind) {
  switch (kind) {
    case Kind::kBroadcast:
      return walk_data(b, b.root());
    case Kind::kReduce:  // the root is the last to add
      return walk_sums(b, b.along(b.root(), 1));
    case Kind::kAllReduce:
      reduce_scatter(b);
      return all_gather(b);
    case Kind::kReduceScatter:
      return reduce_scatter(b);
    case Kind::kAllToAll:
      return exchange(b);
    default:  // all_gather, barrier
      return all_gather(b);
  }
}

// Sums walk from rank 0, so they are in the order of the ranks.
void plan_chain(PlanBuilder& b, Kind kind) {
  switch (kind) {
    case Kind::kBroadcast:
      return walk_data(b, b.root());
    case Kind::kReduce:
      walk_sums(b, 0);
      return hand_over(b);
    default:  // all_reduce, barrier
      walk_sums(b, 0);
      return walk_data(b, b.ranks() - 1);
  }
}

}  // namespace dure::comm
