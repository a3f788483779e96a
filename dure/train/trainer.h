// One optimizer step after another: the short executor of training.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dure/base/check.h"
#include "dure/config/config.h"
#include "dure/data/batch_position.h"
#include "dure/data/dataset.h"
#include "dure/parallel/pipeline/executor.h"
#include "dure/train/rank_model.h"
#include "dure/train/segment.h"
#include "dure/train/training_stages.h"
#include "dure/train/updater.h"

namespace dure::train {

// A run's position: with the weights and the optimizer's states it decides
// everything that follows.
struct TrainingPosition {
  std::int64_t step = 0;      // steps taken, updates and skipped ones
  std::int64_t updates = 0;   // of the optimizer
  std::int64_t consumed = 0;  // samples
  // The state of a dynamic scale; none: a first one.
  std::optional<kernels::LossScaleState> loss_scale = {};
  bool operator==(const TrainingPosition&) const = default;
};

// How a step ended.
struct StepResult {
  std::int64_t step = 0;  // from 1
  double loss = 0;        // mean over the global batch's tokens
  double learning_rate = 0;
  double grad_norm = 0;  // before clipping, and without the loss scale
  std::int64_t tokens = 0;
  // The loss or gradient that was not finite, if the update was skipped.
  std::optional<std::string> skipped = {};
  // The scale of the step's loss, and of the next one's, where it is scaled.
  std::optional<double> loss_scale = {};
  double next_loss_scale = 1;
  // On the steps of log.gradient_histogram_every.
  std::optional<GradientExponents> gradient_exponents = {};
};

// A loss or gradient was not finite, and the weights were left as they were; or
// an update made a weight infinite in its type, and there is nothing to be
// saved (is_whole()). All ranks throw it at the same point, so none waits for
// another.
class NotFinite : public Error {
 public:
  NotFinite(std::vector<StepResult> steps, const std::string& text)
      : Error(text), steps_(std::move(steps)) {}

  // The last is the one that failed.
  const std::vector<StepResult>& steps() const { return steps_; }

 private:
  std::vector<StepResult> steps_;
};

class Trainer {
 public:
  // `config` must be resolved and valid. Weights start at their first values.
  // This and every other function is collective over the rank's world: all
  // ranks have the same configuration and data, and get the same results.
  Trainer(Rank& rank, const Config& config);
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;
  ~Trainer();

  // Reads the next global batch, each rank its own micro-batches
  // (data/batch_position.h), accumulates gradients over micro-batches and
  // updates the weights. If a loss or gradient is not finite, the weights stay
  // as they are, and it either throws NotFinite or skips the update, as the
  // configuration says.
  StepResult step(const data::Dataset& dataset);

  // Makes so many of these steps. Without a flush they are one segment
  // (segment.h): they overlap, the pipeline is empty only before and after
  // them, and a value that is not finite throws Error on the stage that finds
  // it, whatever the configuration says.
  std::vector<StepResult> steps(const data::Dataset& dataset, int count);

  // A step in two halves: end() waits for what begin() launched, the oldest
  // first. No step depends on whether the host has read how the one before
  // ended. `count` is 1 if the schedule has a flush. Results are valid until
  // the next end().
  void begin(const data::Dataset& dataset, int count = 1);
  std::span<const StepResult> end();

  // The mean loss of the first `samples` of a data set, as in evaluate.h.
  std::optional<double> evaluate(const data::Dataset& dataset,
                                 std::int64_t samples,
                                 std::function<bool()> is_stopped = nullptr);

  // The halves that have begun and not ended.
  std::int64_t begun() const { return std::ssize(begun_); }

  // The position after the steps that have ended.
  const TrainingPosition& position() const { return position_; }

  // Whether all of this rank's weights and states are those of position(). They
  // are not if an exception left an update or a segment unfinished, or an
  // update that it can't take back.
  bool is_whole() const { return !updater_.is_ahead(); }
  void set_position(const TrainingPosition& position);

  RankModel& rank_model() { return rank_model_; }
  const Config& config() const { return config_; }

 private:
  // Steps that were launched and have not ended.
  struct Begun {
    std::int64_t global_batch = 0;
    UpdateRecord record;
    Event launched;  // all of it
  };

  const Segment& segment_of(std::int64_t micro_batches, int steps);
  data::BatchLayout layout_of(std::int64_t global_batch) const;
  void launch(Begun& begun,
              const data::Dataset& dataset,
              std::int64_t consumed);
  StepResult result_of(const Begun& begun, std::int64_t step) const;
  std::optional<kernels::LossScaleState> loss_scale_after(
      const Begun& begun, std::int64_t step) const;
  void leave_out(const Begun& begun, std::int64_t step, StepResult& result);
  // The step and, by its index in the model's table, the first of its weights
  // that overflowed on any rank.
  struct Overflow {
    std::int64_t step = 0;
    std::int64_t weight = 0;
  };
  std::optional<Overflow> find_overflow(const Begun& begun);
  [[noreturn]] void fail_unchanged(const std::string& text);
  [[noreturn]] void fail_overflown(std::int64_t weight);
  [[noreturn]] void lose(const Begun& begun,
                         std::int64_t step,
                         const StepResult& result) const;
  std::string name_of_weight(std::int64_t place) const;
  std::int64_t tokens_of(const Begun& begun) const {
    return begun.global_batch * config_.data.sequence;
  }
  // The position after all steps that have begun.
  TrainingPosition begun_position() const;

  Rank& rank_;
  Config config_;
  Updater::Reach reach_;
  RankModel rank_model_;
  Updater updater_;
  const comm::Communicator& samples_;  // the ranks that read different samples
  TrainingStages stages_;
  parallel::Executor executor_;
  Segment segment_;
  std::int64_t segment_micro_batches_ = 0;
  TrainingPosition position_;
  std::vector<std::unique_ptr<Begun>> begun_;  // the oldest first
  std::vector<std::unique_ptr<Begun>> ended_;  // to be used again
  std::vector<StepResult> results_;
};

}  // namespace dure::train
