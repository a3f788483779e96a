// An optimizer is a row: what it keeps of a weight, what it wants of gradients
// and buckets, and what it launches. Whoever has to know which optimizer there
// is reads the row; docs/adding.md says how one is added.
//
// Optimizers work on flat spans of what a rank owns: they know no shapes and no
// parallelism.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

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

// Sums over whole weights, between the two launches of an update: of the
// squares of a weight, and of those of what it is to move by.
inline constexpr std::int64_t kWeightSums = 2;

// An update of some spans.
struct Update {
  std::span<const kernels::UpdateSpan> spans;
  ConstTensor control;  // kernels/update.h
  Tensor sums = {};     // of a row that measures: (weights, kWeightSums,
                        // kSumDigits) i64, a row for each weight
};

struct OptimizerRow {
  const char* name;  // optimizer.name, and what checkpoints call it
  OptimizerDefaults defaults;

  // What its states are called, by the ends of their names in checkpoints. They
  // are f32, one element for each of the weight's, start at 0, and are the same
  // on all ranks that own the same part.
  std::vector<std::string> (*states)(const OptimizerConfig& config);

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
