// From gradients to new weights: the norm, the decision whether an update is
// made and with which scale, and the optimizer. All of it happens in tensor
// memory; the host may read the outcome later.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dure/config/config.h"
#include "dure/kernels/decide_update.h"
#include "dure/optim/config.h"
#include "dure/parallel/data/replicated_gradients.h"
#include "dure/train/gradient_counter.h"
#include "dure/train/rank_model.h"
#include "dure/train/update_record.h"

namespace dure::train {

class Updater {
 public:
  // kJoint: all ranks decide an update together, when the pipeline is empty.
  // kLocal: each rank decides alone, while others are at other steps; then
  // nothing is clipped, and a value that is not finite stops this rank's
  // updates for good.
  enum class Reach : std::uint8_t { kJoint, kLocal };

  // Collective over the rank's world; all references outlive this.
  Updater(Rank& rank, RankModel& rank_model, const Config& config, Reach reach);

  // Sets the number of updates made so far.
  void set_updates(std::int64_t updates);

  // The scale of the loss, (1) f32, which an update may change; 1 where losses
  // are not scaled.
  ConstTensor loss_scale() const { return loss_scale_; }
  void set_loss_scale(const kernels::LossScaleState& state);

  // So many steps from `first_step` on, which is counted from 1. They come
  // after `known` updates and `pending` more, of which each may be skipped.
  struct Steps {
    std::int64_t count = 1;
    std::int64_t first_step = 1;
    std::int64_t known = 0;
    std::int64_t pending = 0;
  };

  // Called before the steps. The record is allocated, or reused if it has as
  // many steps.
  void begin(UpdateRecord& record, const Steps& steps);

  // Makes the update of the record's step, whose micro-batches up to this one
  // are over. record.loss(step) is this rank's.
  void update(UpdateRecord& record, std::int64_t step, int last_micro_batch);

  // Called after the steps: begins to read the record. The host has it after
  // the stream is synchronized; sums are those of all ranks.
  void read(UpdateRecord& record);

  // Called after that: the index in the model's table of the first weight on
  // this rank whose gradient is not finite.
  std::optional<std::int64_t> nonfinite(const UpdateRecord& record,
                                        std::int64_t step) const;
  // It finds likewise the first weight that the update made infinite in its
  // type, f16, beside a master that has the range of f32. It is only looked for
  // in f16.
  std::optional<std::int64_t> overflowed(const UpdateRecord& record,
                                         std::int64_t step) const;

  // Whether weights and states may be those of an update whose steps have not
  // ended: true from its first change until end().
  bool is_ahead() const { return ahead_; }
  void end() { ahead_ = false; }

 private:
  std::int64_t place_of(int weight) const;
  void find_blocks();
  std::vector<parallel::Slice> counted_slices() const;
  std::optional<kernels::StochasticRounding> rounding_of(
      std::ptrdiff_t piece) const;
  void make(UpdateRecord& record, std::int64_t steps, std::int64_t rates);
  void begin_counts(UpdateRecord& record, const Steps& steps);
  void count_exponents(UpdateRecord& record, std::int64_t step);
  void read_counts(UpdateRecord& record);
  // The gradients that this rank owns, or those that it counts in a sum over
  // all ranks that has each gradient once.
  enum class Of : std::uint8_t { kOwned, kCounted };
  void find_squares(UpdateRecord& record, std::int64_t step, Of of);
  void leave_counted(UpdateRecord& record, std::int64_t step);
  // Whether this shard group is the first of those that own the slice.
  bool is_first_of(const parallel::Slice& slice) const;
  void add_over_ranks(UpdateRecord& record);
  void decide(UpdateRecord& record, std::int64_t step);
  // `first_overflow` is the step's.
  void apply(const Tensor& first_overflow);
  void measure();
  template <typename Function>
  void for_each_bucket(Function&& function, const Tensor& first_overflow = {});
  float decay_of(int weight) const;

  Rank& rank_;
  RankModel& rank_model_;
  optim::OptimizerConfig config_;
  Reach reach_;
  kernels::AfterNonfinite after_nonfinite_;
  parallel::ReplicatedGradientSums replicated_sums_;
  std::vector<parallel::Counted> pieces_;    // of what this rank owns
  std::vector<parallel::Slice> norm_;        // those that count in the norm
  std::vector<bool> is_counted_;             // by this rank
  std::vector<std::int64_t> weight_places_;  // their indices in the table
  // The blocks of the pieces in their weights, for stochastic rounding; empty
  // where nothing is rounded so.
  std::vector<std::vector<kernels::ElementBlock>> blocks_;
  OwnedTensor control_;   // kernels/update.h
  OwnedTensor counters_;  // kernels/decide_update.h
  kernels::LossScaleRule loss_scale_rule_;
  kernels::LossScaleState first_loss_scale_;  // that was set last
  OwnedTensor loss_scale_;                    // (1)                   f32
  OwnedTensor loss_scale_numbers_;            // (kLossScaleNumbers)   i64
  OwnedTensor weight_sums_;   // (weights, kWeightSums, kSumDigits)   i64, of an
                              // optimizer that measures
  std::uint64_t seed_;        // of rounding
  std::int64_t count_every_;  // steps
  std::optional<GradientCounter> counter_;  // where gradients are counted
  std::vector<kernels::UpdateSpan> spans_;
  std::vector<ConstTensor> gradients_;
  bool ahead_ = false;
};

}  // namespace dure::train
