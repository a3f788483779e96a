// An optimizer is a row: what it keeps of a weight, what it wants of gradients
// and buckets, and what it launches. Whoever has to know which optimizer there
// is reads the row; docs/adding.md says how one is added.
//
// Optimizers work on flat spans of what a rank owns: they know no shapes, and
// of parallelism only that some want to combine their ranks' gradients
// themselves.
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

// What "auto" stands for in [optimizer], of the numbers that it reads.
struct OptimizerDefaults {
  std::optional<double> beta1 = {};
  std::optional<double> beta2 = {};
  std::optional<double> epsilon = {};
};

// Whether a state is the same on all ranks that own the same span, or each rank
// that sees other samples has its own: what it left out of a message, say.
enum class StateScope : std::uint8_t { kAlike, kEachRank };

struct OptimizerState {
  std::string name;  // the end of its name in checkpoints
  StateScope scope = StateScope::kAlike;
};

// Sums over whole weights, between the two launches of an update: of the
// squares of a weight, and of those of what it is to move by.
inline constexpr std::int64_t kWeightSums = 2;

// An update of some spans.
struct Update {
  std::span<const kernels::UpdateSpan> spans;
  ConstTensor control;  // kernels/update.h
  Tensor sums = {};     // of a row that measures: (weights, kWeightSums,
                        // kSumDigits) i64, a row for each weight
  comm::Communicator* replicas = nullptr;  // ranks that see other samples
};

struct OptimizerRow {
  const char* name;  // optimizer.name, and what checkpoints call it
  OptimizerDefaults defaults = {};

  // They are f32, one element for each of the weight's, and start at 0. States
  // of each rank go with gradients of this rank.
  std::vector<OptimizerState> (*states)(const OptimizerConfig& config);

  // Where ZeRO may cut buckets into the parts that ranks own.
  kernels::SpanCut spans = kernels::SpanCut::kAnywhere;

  // kThisRank: gradients are not summed over the ranks that see other samples,
  // and `launch` combines what it makes of them over Update::replicas; weights
  // and alike states have to come out the same on all. All ranks launch the
  // same updates in the same order. At ZeRO's stage 0, without clipping.
  kernels::GradientOf gradients = kernels::GradientOf::kAllRanks;

  // How many rates an update reads (kernels/update.h), and those of an update
  // of this number, the first being 1, at a learning rate.
  std::int64_t rates;
  void (*fill_rates)(const OptimizerConfig& config,
                     std::int64_t update,
                     double learning_rate,
                     std::span<float> rates);

  // Updates the spans.
  void (*launch)(Stream& stream,
                 const OptimizerConfig& config,
                 const Update& update);

  // Of an optimizer that needs sums over whole weights: a first launch, which
  // adds to them what this rank counts of the spans. Before `launch` they are
  // added up over the ranks that share the weights. Null: it needs none.
  void (*measure)(Stream& stream,
                  const OptimizerConfig& config,
                  const Update& update) = nullptr;
};

// All there are, the default first.
std::span<const OptimizerRow* const> optimizers();

// The row of this name. Throws Error, naming those there are.
const OptimizerRow& optimizer(const std::string& name);

// Bytes of state a parameter.
std::int64_t state_bytes_per_parameter(const OptimizerConfig& config);

}  // namespace dure::optim
