// Training by the forms of data parallelism of old, beside the trainer's: for
// study and comparison (docs/data_parallel.md).
//
// Same model, samples, optimizer and clipping as Trainer, and the same weights
// after every step: with ranked sums to the bit. One micro-batch a rank and
// step, whole replicas.
#pragma once

#include <memory>
#include <optional>

#include "dure/data/dataset.h"
#include "dure/nn/parameter.h"
#include "dure/parallel/forms/form_plan.h"
#include "dure/train/config.h"
#include "dure/train/rank.h"

namespace dure::train {

// How what travels does: as the form's plan says, or by the quickest means of
// the back end. Ranked sums go by what has them.
enum class Route : std::uint8_t { kPlanned, kQuickest };

class FormTrainer {
 public:
  FormTrainer() = default;
  FormTrainer(const FormTrainer&) = delete;
  FormTrainer& operator=(const FormTrainer&) = delete;
  virtual ~FormTrainer() = default;

  // Collective. The mean loss over the global batch, on rank 0 at least; of
  // another form than kBuckets not elsewhere. Throws Error where the gradients
  // are not finite.
  virtual std::optional<double> step(const data::Dataset& dataset) = 0;

  // The weights are whole, and up to date on rank 0 at least.
  virtual nn::ParameterSet& parameters() = 0;

  virtual const parallel::FormPlan& plan() const = 0;
};

// `config` must be resolved; throws UsageError unless its global batch is one
// micro-batch a rank. Collective over the rank's world.
std::unique_ptr<FormTrainer> make_form_trainer(Rank& rank,
                                               const Config& config,
                                               parallel::Form form,
                                               Route route = Route::kQuickest);

}  // namespace dure::train
