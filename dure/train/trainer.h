// One optimizer step after another: the short executor of training.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/data/batch_position.h"
#include "dure/data/dataset.h"
#include "dure/optim/gradient_norm.h"
#include "dure/optim/optimizer.h"
#include "dure/parallel/pipeline/executor.h"
#include "dure/parallel/zero/alike.h"
#include "dure/train/config.h"
#include "dure/train/replica.h"
#include "dure/train/training_stages.h"

namespace dure::train {

// Where a run is: what, with the weights and the optimizer's states, decides
// everything that follows.
struct Position {
  std::int64_t step = 0;      // steps taken, updates and skipped ones
  std::int64_t updates = 0;   // of the optimizer
  std::int64_t consumed = 0;  // samples
  bool operator==(const Position&) const = default;
};

// How a step ended.
struct StepResult {
  std::int64_t step = 0;  // from 1
  double loss = 0;        // mean over the global batch's tokens
  double learning_rate = 0;
  double grad_norm = 0;  // before clipping
  std::int64_t tokens = 0;
  // What was not finite, where the update was left out.
  std::optional<std::string> skipped = {};
};

// A loss or gradient is not finite, and the weights were left as they were. All
// ranks throw it at the same place: none waits for another.
class NotFinite : public Error {
 public:
  using Error::Error;
};

class Trainer {
 public:
  // `config` must be resolved and valid. Weights start at their first values.
  // Collective over the rank's world, as every other function: all ranks have
  // the same configuration and data, and get the same results.
  Trainer(Rank& rank, const Config& config);

  // Reads the next global batch, every rank its micro-batches of it
  // (data/batch_position.h), accumulates its gradients over micro-batches
  // and updates the weights. A loss or gradient that is not finite leaves the
  // weights as they are, and either throws NotFinite or skips the update, as
  // the configuration says.
  StepResult step(const data::Dataset& dataset);

  // So many of these steps. Of a schedule without a flush they are one segment
  // (segment.h): they overlap, the pipeline is empty before and after them
  // alone, and what is not finite throws Error on the stage that finds it,
  // whatever the configuration says.
  std::vector<StepResult> steps(const data::Dataset& dataset, int count);

  // The mean loss of the first `samples` of a data set; as evaluate.h has it.
  std::optional<double> evaluate(const data::Dataset& dataset,
                                 std::int64_t samples,
                                 std::function<bool()> is_stopped = nullptr);

  const Position& position() const { return position_; }

  // Whether this rank's weights and states are all of position(): not so where
  // an update, or a segment, was thrown out of.
  bool is_whole() const { return !updating_; }
  void set_position(const Position& position);

  Replica& replica() { return replica_; }
  const Config& config() const { return config_; }
  optim::Optimizer& optimizer() { return *optimizer_; }
  const std::vector<optim::Target>& targets() const { return targets_; }

 private:
  // What this rank does in a step of so many micro-batches.
  struct StepPlan {
    std::int64_t micro_batches = 0;
    parallel::Program program;
    std::vector<nn::Visit> visits;
  };

  // What one of a segment's steps has come to on this rank.
  struct StepSums {
    ExactSum loss;
    ExactSum squares;  // of gradients
  };

  const StepPlan& plan_of(std::int64_t micro_batches);
  data::BatchLayout layout_of(std::int64_t global_batch) const;
  TrainingStages::Batch batch_of(const data::Dataset& dataset,
                                 const data::BatchLayout& layout) const;
  double accumulate(const data::Dataset& dataset, std::int64_t global_batch);
  double global_norm();
  std::optional<std::string> find_nonfinite(double loss) const;
  const std::string& gradient_name(const parallel::Kept& kept) const;
  void stop_or_skip(StepResult& result);
  std::vector<StepSums> run_segment(const data::Dataset& dataset, int count);
  StepSums update(std::int64_t step, int last_micro_batch);
  void check_finite(std::int64_t step, const StepSums& sums) const;
  std::vector<StepResult> results_of(std::span<const StepSums> here);

  Rank& rank_;
  Config config_;
  Replica replica_;
  std::vector<optim::Target> targets_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::vector<parallel::Alike> alike_;
  parallel::AlikeSums alike_sums_;
  std::vector<parallel::Kept> counted_;
  std::vector<std::int64_t> weight_places_;  // of these in the model's table
  optim::GradientNorm gradient_norm_;
  TrainingStages stages_;
  parallel::Executor executor_;
  StepPlan plan_;
  Position position_;
  bool updating_ = false;
};

}  // namespace dure::train
