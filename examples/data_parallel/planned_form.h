// The executor of a form's plan: it runs the steps in their order.
#pragma once

#include <memory>
#include <optional>

#include "dure/model/stack.h"
#include "dure/train/loss_sum.h"
#include "dure/train/micro_batch.h"
#include "examples/data_parallel/flat_home.h"
#include "examples/data_parallel/form_trainer.h"
#include "examples/data_parallel/whole_update.h"

namespace dure::data_parallel {

FormPlan plan_for(const train::Config& config,
                  const nn::ParameterSet& parameters,
                  Form form,
                  int ranks);

// Runs any form but kBuckets.
class PlannedForm final : public FormTrainer {
 public:
  PlannedForm(train::Rank& rank,
              const train::Config& config,
              Form form,
              Route route);

  std::optional<double> step(const data::Dataset& dataset) override;
  nn::ParameterSet& parameters() override { return parameters_; }
  const FormPlan& plan() const override { return plan_; }

 private:
  void make_room(const FormStep& step);

  void execute(const FormStep& step, const data::Dataset& dataset);
  void communicate(const FormStep& step);
  void compute(const FormStep& step, const data::Dataset& dataset);
  void loss_on_root();

  bool is_root() const { return rank_.is_first(); }
  Tensor on_root(const Tensor& whole) const;
  // This rank's rows of the logits: a part of the whole on rank 0, all of the
  // tensor elsewhere.
  Tensor own_logits() const;

  train::Rank& rank_;
  train::Config config_;
  Route route_;
  nn::ParameterSet parameters_;
  model::Stack stack_;
  FlatStorage home_;
  FormPlan plan_;
  nn::Context ctx_;
  train::MicroBatch local_;
  model::Batch inputs_;  // of this rank
  model::Stack::Saved saved_;
  OwnedTensor d_loss_;     // (1)
  train::LossSum losses_;  // of the step, on rank 0
  std::int64_t consumed_ = 0;
  std::int64_t first_sample_ = 0;  // of this rank's samples in the step

  // Members that only some plans need:
  std::optional<train::MicroBatch> batch_;  // the whole, on rank 0
  OwnedTensor ids_;
  OwnedTensor targets_;
  OwnedTensor logits_NV_;  // of all ranks on rank 0, elsewhere of its own rows
  OwnedTensor losses_N_;   // of all ranks, on rank 0
  std::optional<WholeUpdate> update_;  // on ranks that update weights
};

}  // namespace dure::data_parallel
