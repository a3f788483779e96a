// Optimizers, on flat tensors: they know no shapes and no parallelism.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dure/optim/config.h"
#include "dure/tensor/arena.h"
#include "dure/tensor/stream.h"

namespace dure::optim {

// What is to be optimized: one weight, or a part of one.
struct Target {
  std::string name;
  Tensor weight;
  ConstTensor gradient;  // as weight
  // Of a part, flat: where in the whole weight, row-major, it begins. A weight
  // may be several targets, a part each.
  std::int64_t offset = 0;
  bool decays = false;  // under weight decay
};

// A tensor of the optimizer's own, "WEIGHT.momentum" and the like: what a
// checkpoint keeps.
struct State {
  std::string name;
  Tensor tensor;            // as the target's weight
  std::int64_t offset = 0;  // as the target's
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // Updates every weight from its gradient times grad_scale.
  virtual void step(Stream& stream,
                    double learning_rate,
                    double grad_scale) = 0;

  virtual std::span<const State> states() const = 0;

  // How many updates have been made: the t of Adam's bias correction.
  std::int64_t updates() const { return updates_; }
  void set_updates(std::int64_t updates) { updates_ = updates; }

 protected:
  std::int64_t updates_ = 0;
};

// What states make_optimizer() gives a weight, by the ends of their names:
// "momentum", "variance".
std::vector<std::string> state_kinds(const OptimizerConfig& config);

// States come from `arena` (Category::kOptimizer) and start at 0.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config,
                                          const std::vector<Target>& targets,
                                          Arena& arena,
                                          Stream& stream);

}  // namespace dure::optim
