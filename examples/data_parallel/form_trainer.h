// Training by historical forms of data parallelism, beside the trainer's: for
// study and comparison (docs/data_parallel.md).
//
// Model, samples, optimizer and clipping are those of Trainer, and so are the
// weights after every step, to the bit with ranked sums. Each rank has a whole
// replica and one micro-batch a step.
#pragma once

#include <memory>
#include <optional>

#include "dure/config/config.h"
#include "dure/data/dataset.h"
#include "dure/nn/parameter.h"
#include "dure/train/rank.h"
#include "examples/data_parallel/form_plan.h"

namespace dure::data_parallel {

// How data travels: as the form's plan says, or by the back end's quickest
// algorithm. Ranked sums take an algorithm that has them.
enum class Route : std::uint8_t { kPlanned, kQuickest };

class FormTrainer {
 public:
  FormTrainer() = default;
  FormTrainer(const FormTrainer&) = delete;
  FormTrainer& operator=(const FormTrainer&) = delete;
  virtual ~FormTrainer() = default;

  // Collective. Returns the mean loss over the global batch: on all ranks with
  // kBuckets, on rank 0 alone with other forms. Throws Error if the gradients
  // are not finite.
  virtual std::optional<double> step(const data::Dataset& dataset) = 0;

  // The weights are whole, and up to date at least on rank 0.
  virtual nn::ParameterSet& parameters() = 0;

  virtual const FormPlan& plan() const = 0;
};

// `config` must be resolved. Throws UsageError unless its global batch is one
// micro-batch a rank. It is collective over the rank's world.
std::unique_ptr<FormTrainer> make_form_trainer(train::Rank& rank,
                                               const train::Config& config,
                                               Form form,
                                               Route route = Route::kQuickest);

}  // namespace dure::data_parallel
