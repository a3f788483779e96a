#include "examples/data_parallel/form_plan.h"

#include <algorithm>

#include "dure/base/check.h"
#include "dure/comm/algorithm/plan.h"

namespace dure::data_parallel {
namespace {

using comm::Algorithm;
using comm::Kind;

constexpr std::int64_t kElementBytes = 4;

FormStep here(FormAction action) {
  return {.action = action};
}

FormStep through_root(FormAction action, Kind kind, std::int64_t elements) {
  return {
      .action = action,
      .travel = Travel{
          .kind = kind, .algorithm = Algorithm::kRoot, .elements = elements}};
}

FormStep by_ring(FormAction action, std::int64_t elements) {
  return {.action = action,
          .travel = Travel{.kind = Kind::kAllReduce,
                           .algorithm = Algorithm::kRing,
                           .elements = elements}};
}

std::vector<FormStep> data_parallel(const FormSizes& sizes) {
  const std::int64_t logits = sizes.rows * sizes.columns;
  return {
      here(FormAction::kReadOnRoot),
      through_root(FormAction::kScatterInputs, Kind::kScatter, sizes.rows),
      through_root(
          FormAction::kBroadcastWeights, Kind::kBroadcast, sizes.weights),
      here(FormAction::kForwardToLogits),
      through_root(FormAction::kGatherLogits, Kind::kGather, logits),
      here(FormAction::kLossOnRoot),
      through_root(FormAction::kScatterLogitGradients, Kind::kScatter, logits),
      here(FormAction::kBackwardFromLogits),
      through_root(FormAction::kReduceGradients, Kind::kReduce, sizes.weights),
      here(FormAction::kUpdateOnRoot)};
}

std::vector<FormStep> loss_on_ranks(const FormSizes& sizes) {
  return {
      here(FormAction::kReadOnRoot),
      through_root(FormAction::kScatterInputs, Kind::kScatter, sizes.rows),
      through_root(FormAction::kScatterTargets, Kind::kScatter, sizes.rows),
      through_root(
          FormAction::kBroadcastWeights, Kind::kBroadcast, sizes.weights),
      here(FormAction::kForwardToLoss),
      through_root(FormAction::kGatherLosses, Kind::kGather, sizes.rows),
      here(FormAction::kBackward),
      through_root(FormAction::kReduceGradients, Kind::kReduce, sizes.weights),
      here(FormAction::kUpdateOnRoot)};
}

std::vector<FormStep> parameter_server(const FormSizes& sizes) {
  return {
      here(FormAction::kRead),
      through_root(
          FormAction::kBroadcastWeights, Kind::kBroadcast, sizes.weights),
      here(FormAction::kForwardToLoss),
      through_root(FormAction::kGatherLosses, Kind::kGather, sizes.rows),
      here(FormAction::kBackward),
      through_root(FormAction::kReduceGradients, Kind::kReduce, sizes.weights),
      here(FormAction::kUpdateOnRoot)};
}

std::vector<FormStep> reduce_broadcast(const FormSizes& sizes) {
  return {
      here(FormAction::kRead),
      here(FormAction::kForwardToLoss),
      through_root(FormAction::kGatherLosses, Kind::kGather, sizes.rows),
      here(FormAction::kBackward),
      through_root(FormAction::kReduceGradients, Kind::kReduce, sizes.weights),
      through_root(
          FormAction::kBroadcastGradients, Kind::kBroadcast, sizes.weights),
      here(FormAction::kUpdate)};
}

std::vector<FormStep> all_reduce(const FormSizes& sizes) {
  return {here(FormAction::kRead),
          here(FormAction::kForwardToLoss),
          through_root(FormAction::kGatherLosses, Kind::kGather, sizes.rows),
          here(FormAction::kBackward),
          by_ring(FormAction::kAllReduceGradients, sizes.weights),
          here(FormAction::kUpdate)};
}

std::vector<FormStep> buckets(const FormSizes& sizes) {
  return {here(FormAction::kRead),
          here(FormAction::kForwardToLoss),
          through_root(FormAction::kGatherLosses, Kind::kGather, sizes.rows),
          by_ring(FormAction::kBackwardAllReducing, sizes.weights),
          here(FormAction::kUpdate)};
}

std::vector<FormStep> steps_of(Form form, const FormSizes& sizes) {
  switch (form) {
    case Form::kDataParallel:
      return data_parallel(sizes);
    case Form::kLossOnRanks:
      return loss_on_ranks(sizes);
    case Form::kParameterServer:
      return parameter_server(sizes);
    case Form::kReduceBroadcast:
      return reduce_broadcast(sizes);
    case Form::kAllReduce:
      return all_reduce(sizes);
    case Form::kBuckets:
      return buckets(sizes);
  }
  DURE_CHECK(false, "no such form: {}", static_cast<int>(form));
  return {};
}

std::int64_t bytes_sent(const Travel& travel, int rank, int ranks) {
  const comm::Plan plan = comm::plan_of({.kind = travel.kind,
                                         .algorithm = travel.algorithm,
                                         .rank = rank,
                                         .ranks = ranks});
  return kElementBytes *
         comm::traffic_of(plan, comm::even_counts(travel.elements, plan.pieces))
             .elements;
}

// The bytes that other ranks send to it.
std::int64_t bytes_received(const Travel& travel, int rank, int ranks) {
  const comm::Plan plan = comm::plan_of({.kind = travel.kind,
                                         .algorithm = travel.algorithm,
                                         .rank = rank,
                                         .ranks = ranks});
  const comm::Counts counts = comm::even_counts(travel.elements, plan.pieces);
  std::int64_t elements = 0;
  for (const comm::Step& step : plan.steps) {
    if (step.transfer != comm::Transfer::kSend) {
      elements += comm::offset_of(counts, step.pieces.last) -
                  comm::offset_of(counts, step.pieces.first);
    }
  }
  return kElementBytes * elements;
}

bool does(const FormPlan& plan, FormAction action) {
  return std::any_of(
      plan.steps.begin(), plan.steps.end(), [&](const FormStep& step) {
        return step.action == action;
      });
}

// The bytes on a rank of a tensor that is whole on rank 0 and in parts
// elsewhere.
std::int64_t whole_on_root(const FormPlan& plan, int rank, std::int64_t whole) {
  return kElementBytes * (rank == 0 ? whole : whole / plan.ranks);
}

}  // namespace

const char* name_of(Form form) {
  constexpr const char* kNames[] = {"data-parallel",
                                    "loss-on-ranks",
                                    "parameter-server",
                                    "reduce-broadcast",
                                    "all-reduce",
                                    "buckets"};
  return kNames[static_cast<int>(form)];
}

const char* name_of(FormAction action) {
  constexpr const char* kNames[] = {"read all on rank 0",
                                    "read",
                                    "scatter inputs",
                                    "scatter targets",
                                    "broadcast weights",
                                    "forward to logits",
                                    "gather logits",
                                    "loss on rank 0",
                                    "scatter logits' gradient",
                                    "forward to loss",
                                    "gather losses",
                                    "backward",
                                    "backward",
                                    "reduce gradients",
                                    "broadcast gradients",
                                    "all-reduce gradients",
                                    "backward, all-reducing",
                                    "update on rank 0",
                                    "update"};
  return kNames[static_cast<int>(action)];
}

FormPlan plan_form(Form form, const FormSizes& sizes, int ranks) {
  DURE_CHECK(ranks > 0, "{} ranks; at least one is wanted", ranks);
  DURE_CHECK(sizes.rows % ranks == 0,
             "a batch of {} rows cannot be shared out alike over {} ranks",
             sizes.rows,
             ranks);
  return {.form = form,
          .ranks = ranks,
          .sizes = sizes,
          .steps = steps_of(form, sizes)};
}

FormTraffic traffic_of(const FormPlan& plan, int rank) {
  FormTraffic traffic;
  for (const FormStep& step : plan.steps) {
    if (step.travel) {
      traffic.sent += bytes_sent(*step.travel, rank, plan.ranks);
      traffic.received += bytes_received(*step.travel, rank, plan.ranks);
    }
  }
  return traffic;
}

FormMemory memory_of(const FormPlan& plan, int rank) {
  const FormSizes& sizes = plan.sizes;
  const std::int64_t own_rows = kElementBytes * sizes.rows / plan.ranks;
  const bool updates = rank == 0 || does(plan, FormAction::kUpdate);
  FormMemory memory = {
      .parameters = kElementBytes * sizes.weights,
      .gradients = kElementBytes * sizes.weights,
      .optimizer =
          updates ? sizes.optimizer_bytes_per_weight * sizes.weights : 0};
  if (does(plan, FormAction::kScatterInputs)) {
    memory.communication += own_rows;
  }
  if (does(plan, FormAction::kScatterTargets)) {
    memory.communication += own_rows;
  }
  if (does(plan, FormAction::kGatherLogits)) {
    memory.communication +=
        whole_on_root(plan, rank, sizes.rows * sizes.columns);
  }
  if (does(plan, FormAction::kGatherLosses) && rank == 0) {
    memory.communication += kElementBytes * sizes.rows;
  }
  return memory;
}

}  // namespace dure::data_parallel
