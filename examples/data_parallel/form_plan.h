// A step of data parallelism in its historical forms, from the parameter server
// to overlapped buckets: each rank's actions, as data.
//
// Each of N ranks reads a part of the batch. There are P elements of weights, a
// batch of R rows (tokens) and logits of V columns; every element has 4 bytes:
//
//   form             what travels, and where
//   data-parallel    inputs scattered, weights broadcast, logits gathered on
//                    rank 0, loss there, their gradient scattered, gradients
//                    reduced to rank 0, update there (torch.nn.DataParallel)
//   loss-on-ranks    the same, but targets are scattered too and each rank
//                    takes its own loss: no logits travel
//   parameter-server every rank reads its own samples, pulls the weights from
//                    rank 0 and pushes its gradients there [1], in step
//   reduce-broadcast all keep weights and optimizer; gradients are reduced to
//                    rank 0, the sum is broadcast, all update
//   all-reduce       gradients of the whole model summed by a ring after the
//                    backward [2, 3]
//   buckets          the same sum, a bucket at a time while the backward goes
//                    on [4]: what train::Trainer does
//
// Rank 0's part of anything stays where it is. Data that goes through rank 0 is
// counted as messages between it and each other rank (comm::Algorithm::kRoot),
// an all-reduce as the ring's.
//
// [1] Li et al. 2014, "Scaling Distributed Machine Learning with the Parameter
// Server", OSDI. [2] Patarasuk & Yuan 2009. [3] Sergeev & Del Balso 2018,
// arXiv:1802.05799 (Horovod). [4] Li et al. 2020, arXiv:2006.15704 (PyTorch
// DDP).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "dure/comm/collective.h"

namespace dure::data_parallel {

enum class Form : std::uint8_t {
  kDataParallel,
  kLossOnRanks,
  kParameterServer,
  kReduceBroadcast,
  kAllReduce,
  kBuckets,
};
inline constexpr std::array kForms = {Form::kDataParallel,
                                      Form::kLossOnRanks,
                                      Form::kParameterServer,
                                      Form::kReduceBroadcast,
                                      Form::kAllReduce,
                                      Form::kBuckets};
const char* name_of(Form form);

enum class FormAction : std::uint8_t {
  kReadOnRoot,  // the whole batch
  kRead,        // a rank's own samples
  kScatterInputs,
  kScatterTargets,
  kBroadcastWeights,
  kForwardToLogits,
  kGatherLogits,
  kLossOnRoot,  // of all logits, which become their own gradient
  kScatterLogitGradients,
  kForwardToLoss,
  kGatherLosses,  // one a row
  kBackwardFromLogits,
  kBackward,
  kReduceGradients,
  kBroadcastGradients,
  kAllReduceGradients,
  kBackwardAllReducing,  // bucket by bucket, as they become ready
  kUpdateOnRoot,
  kUpdate,
};
const char* name_of(FormAction action);

// The communication of a step's action, if it has any.
struct Travel {
  comm::Kind kind = comm::Kind::kAllReduce;
  comm::Algorithm algorithm = comm::Algorithm::kRing;
  std::int64_t elements = 0;  // of the larger tensor, 4 bytes each
};

struct FormStep {
  FormAction action = FormAction::kUpdate;
  std::optional<Travel> travel = {};
};

struct FormSizes {
  std::int64_t weights = 0;  // P
  std::int64_t rows = 0;     // R, of the global batch
  std::int64_t columns = 0;  // V
  std::int64_t optimizer_bytes_per_weight = 8;
};

struct FormPlan {
  Form form = Form::kBuckets;
  int ranks = 1;
  FormSizes sizes = {};
  std::vector<FormStep> steps = {};
};

// Throws Error unless the ranks divide the rows.
FormPlan plan_form(Form form, const FormSizes& sizes, int ranks);

// Bytes of a rank's messages in a step.
struct FormTraffic {
  std::int64_t sent = 0;
  std::int64_t received = 0;
  bool operator==(const FormTraffic&) const = default;
};
FormTraffic traffic_of(const FormPlan& plan, int rank);

// Bytes that a rank holds besides the activations of its own samples.
struct FormMemory {
  std::int64_t parameters = 0;
  std::int64_t gradients = 0;
  std::int64_t optimizer = 0;
  std::int64_t communication = 0;  // inputs, logits and losses that travel

  std::int64_t total() const {
    return parameters + gradients + optimizer + communication;
  }
  bool operator==(const FormMemory&) const = default;
};
FormMemory memory_of(const FormPlan& plan, int rank);

}  // namespace dure::data_parallel
