#include "dure/comm/algorithm/plan.h"

#include <algorithm>
#include <bit>

#include "dure/base/check.h"
#include "dure/comm/algorithm/plan_builder.h"

namespace dure::comm {
namespace {

bool is_rooted(Kind kind) {
  return kind == Kind::kBroadcast || kind == Kind::kReduce ||
         kind == Kind::kScatter || kind == Kind::kGather;
}

bool is_one_of(Kind kind, std::initializer_list<Kind> kinds) {
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

bool is_planned(Kind kind, Algorithm algorithm) {
  const bool collective = !is_message(kind);
  switch (algorithm) {
    case Algorithm::kRoot:
    case Algorithm::kTree:
      return collective && kind != Kind::kAllToAll;
    case Algorithm::kRing:
    case Algorithm::kAllToAll:
      return collective && kind != Kind::kScatter && kind != Kind::kGather;
    case Algorithm::kHalvingDoubling:
      return collective && kind != Kind::kScatter && kind != Kind::kGather &&
             kind != Kind::kAllToAll;
    case Algorithm::kChain:
      return is_one_of(
          kind,
          {Kind::kBroadcast, Kind::kReduce, Kind::kAllReduce, Kind::kBarrier});
    case Algorithm::kAutomatic:
    case Algorithm::kDirect:
      break;
  }
  return false;
}

int pieces_of(const PlanKey& of) {
  if (has_parts(of.kind)) {
    return of.ranks;
  }
  switch (of.algorithm) {
    case Algorithm::kRing:
    case Algorithm::kAllToAll:
      return of.ranks;
    case Algorithm::kHalvingDoubling:
      return static_cast<int>(std::bit_floor(static_cast<unsigned>(of.ranks)));
    default:
      return 1;
  }
}

void add_rounds(PlanBuilder& b, const PlanKey& of) {
  switch (of.algorithm) {
    case Algorithm::kRoot:
      return plan_root(b, of.kind);
    case Algorithm::kAllToAll:
      return plan_all_to_all(b, of.kind);
    case Algorithm::kRing:
      return plan_ring(b, of.kind);
    case Algorithm::kChain:
      return plan_chain(b, of.kind);
    case Algorithm::kHalvingDoubling:
      return plan_halving_doubling(b, of.kind);
    default:
      return plan_tree(b, of.kind);
  }
}

}  // namespace

Plan plan_of(const PlanKey& of) {
  DURE_CHECK(is_planned(of.kind, of.algorithm),
             "there is no plan of {} by {}",
             name_of(of.kind),
             name_of(of.algorithm));
  DURE_CHECK(
      of.rank >= 0 && of.rank < of.ranks && of.root >= 0 && of.root < of.ranks,
      "rank {} and root {} are to be of 0 to {}",
      of.rank,
      of.root,
      of.ranks - 1);
  PlanKey wanted = of;
  wanted.root = is_rooted(of.kind) ? of.root : 0;
  PlanBuilder builder(wanted, pieces_of(of));
  add_rounds(builder, of);
  return builder.take();
}

bool has_plan(Kind kind, Algorithm algorithm, SumOrder order) {
  const bool ranked = algorithm == Algorithm::kRoot ||
                      algorithm == Algorithm::kAllToAll ||
                      algorithm == Algorithm::kChain;
  return is_planned(kind, algorithm) &&
         (order == SumOrder::kFast || !is_reduction(kind) || ranked);
}

SumOrder order_of(const Request& request) {
  const DType dtype = request.dtype();
  const bool whole = dtype == DType::kI32 || dtype == DType::kI64 ||
                     dtype == DType::kU16 || dtype == DType::kU8;
  const bool any_order = request.reduction == Reduction::kMin ||
                         request.reduction == Reduction::kMax;
  return !is_reduction(request.kind) || whole || any_order ? SumOrder::kFast
                                                           : request.how.sums;
}

PlanTraffic traffic_of(const Plan& plan, const Counts& counts) {
  Counts offsets(1, 0);
  for (const std::int64_t count : counts) {
    offsets.push_back(offsets.back() + count);
  }
  PlanTraffic traffic;
  for (const Step& step : plan.steps) {
    if (step.transfer == Transfer::kSend) {
      const std::int64_t elements =
          offsets[step.pieces.last] - offsets[step.pieces.first];
      ++traffic.messages;
      traffic.elements += elements;
      traffic.partial_elements +=
          step.payload == Payload::kPartial ? elements : 0;
    }
  }
  return traffic;
}

}  // namespace dure::comm
