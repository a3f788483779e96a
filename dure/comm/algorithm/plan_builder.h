// A builder by which the algorithms write their plans. Only plan*.cpp use it.
#pragma once

#include <utility>

#include "dure/comm/algorithm/plan.h"

namespace dure::comm {

class PlanBuilder {
 public:
  PlanBuilder(const PlanKey& of, int pieces) {
    plan_.of = of;
    plan_.pieces = pieces;
  }

  int rank() const { return plan_.of.rank; }
  int ranks() const { return plan_.of.ranks; }
  int root() const { return plan_.of.root; }
  int pieces() const { return plan_.pieces; }
  Pieces all() const { return {0, pieces()}; }
  Pieces one(int piece) const { return {piece, piece + 1}; }
  // The rank or piece at this distance along the ring.
  int along(int from, int distance) const {
    return ((from + distance) % ranks() + ranks()) % ranks();
  }

  void send(int peer, Pieces pieces, Payload payload = Payload::kData) {
    add(Transfer::kSend, payload, peer, pieces);
  }
  void receive(int peer, Pieces pieces) {
    add(Transfer::kReceive, Payload::kData, peer, pieces);
  }
  void reduce(int peer, Pieces pieces, Payload payload) {
    add(Transfer::kReduce, payload, peer, pieces);
  }

  // Every rank ends the same rounds.
  void end_rounds(int count = 1) { plan_.rounds += count; }

  Plan take() { return std::move(plan_); }

 private:
  void add(Transfer transfer, Payload payload, int peer, Pieces pieces) {
    plan_.steps.push_back({.round = plan_.rounds,
                           .transfer = transfer,
                           .payload = payload,
                           .peer = peer,
                           .pieces = pieces});
  }

  Plan plan_;
};

// Each adds the rounds of `kind`, for which has_plan() holds. plan.cpp's
// pieces_of() gives the number of pieces.
void plan_root(PlanBuilder& b, Kind kind);
void plan_all_to_all(PlanBuilder& b, Kind kind);
void plan_ring(PlanBuilder& b, Kind kind);
void plan_chain(PlanBuilder& b, Kind kind);
void plan_halving_doubling(PlanBuilder& b, Kind kind);
void plan_tree(PlanBuilder& b, Kind kind);

}  // namespace dure::comm
