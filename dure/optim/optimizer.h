// An optimizer is a row: its states, its needs from gradients and buckets, and
// its operations. All that depends on the optimizer reads the row;
// docs/adding.md says how to add one.
//
// Optimizers work on flat spans of a rank's shards. They know no shapes, and of
// parallelism only that some combine their ranks' gradients themselves.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dure/comm/communicator.h"
#include "dure/kernels/update.h"
#include "dure/tensor/stream.h"

namespace dure::optim {

struct OptimizerConfig;

// The values of "auto" in [optimizer], for the numbers that the row reads.
struct OptimizerDefaults {
  std::optional<double> beta1 = {};
  std::optional<double> beta2 = {};
  std::optional<double> epsilon = {};
};

// Whether a state is the same on all ranks that own the same span, or each rank
// that reads other samples has its own, such as what it left out of a message.
enum class StateScope : std::uint8_t { kAlike, kEachRank };

struct OptimizerState {
  std::string name;  // the end of its name in checkpoints
  StateScope scope = StateScope::kAlike;
};

// The sums over whole weights between the two launches of an update: the
// squares of a weight, and the squares of its step.
inline constexpr std::int64_t kWeightSums = 2;

// An update of some spans.
struct Update {
  std::span<const kernels::UpdateSpan> spans;
  ConstTensor control;  // kernels/update.h
  Tensor sums = {};     // for OptimizerRow::measure: (weights,
                        // kWeightSums, kSumDigits) i64
  comm::Communicator* replicas = nullptr;  // ranks that read other samples
};

struct OptimizerRow {
  const char* name;  // in optimizer.name and in checkpoints
  OptimizerDefaults defaults = {};

  // States have one element for each of the weight's, and start at 0. They are
  // f32 to the optimizer, whatever the type in which they are kept.
  // States of each rank need gradients of this rank.
  std::vector<OptimizerState> (*states)(const OptimizerConfig& config);

  // Where ZeRO may cut buckets into the parts that ranks own.
  kernels::SpanCut spans = kernels::SpanCut::kAnywhere;

  // kThisRank: gradients are not summed over the ranks that read other samples.
  // `launch` combines them over Update::replicas; weights and kAlike states
  // must come out the same on all. All ranks launch the same updates in the
  // same order. It needs ZeRO's stage 0, without clipping.
  kernels::GradientOf gradients = kernels::GradientOf::kAllRanks;

  // How many rates an update reads (kernels/update.h), and the rates of update
  // number `update`, counted from 1, at a learning rate.
  std::int64_t rates;
  void (*fill_rates)(const OptimizerConfig& config,
                     std::int64_t update,
                     double learning_rate,
                     std::span<float> rates);

  // Updates the spans.
  void (*launch)(Stream& stream,
                 const OptimizerConfig& config,
                 const Update& update);

  // For an optimizer that needs sums over whole weights: a first launch, which
  // adds this rank's share of the spans to them. Before `launch` they are
  // summed over the ranks that share the weights. Null if it needs none.
  void (*measure)(Stream& stream,
                  const OptimizerConfig& config,
                  const Update& update) = nullptr;
};

// All optimizers, the default first.
std::span<const OptimizerRow* const> optimizers();

// The row of this name. Throws Error that lists all names.
const OptimizerRow& optimizer(const std::string& name);

}  // namespace dure::optim
