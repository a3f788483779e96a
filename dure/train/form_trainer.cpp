#include "dure/train/form_trainer.h"

#include "dure/base/check.h"
#include "dure/train/planned_form.h"
#include "dure/train/trainer.h"

namespace dure::train {
namespace {

using parallel::Form;
using parallel::FormPlan;

void check_batch(const Config& config, int ranks) {
  const std::int64_t wanted = config.train.micro_batch * ranks;
  if (config.train.global_batch != wanted) {
    throw UsageError(concat("train.global_batch is ",
                            config.train.global_batch,
                            "; a form of data parallelism takes one "
                            "micro-batch a rank, which makes ",
                            wanted));
  }
}

// The form that is the trainer itself.
class Buckets final : public FormTrainer {
 public:
  Buckets(Rank& rank, const Config& config)
      : trainer_(rank, config),
        plan_(plan_for(config,
                       trainer_.replica().parameters(),
                       Form::kBuckets,
                       rank.world().size())) {}

  std::optional<double> step(const data::Dataset& dataset) override {
    return trainer_.step(dataset).loss;
  }
  nn::ParameterSet& parameters() override {
    trainer_.replica().store().settle();
    return trainer_.replica().parameters();
  }
  const FormPlan& plan() const override { return plan_; }

 private:
  Trainer trainer_;
  FormPlan plan_;
};

}  // namespace

std::unique_ptr<FormTrainer> make_form_trainer(Rank& rank,
                                               const Config& config,
                                               Form form,
                                               Route route) {
  DURE_CHECK(rank.tensor().ranks->size() == 1,
             "a form of data parallelism is of whole models: wanted 1 tensor "
             "rank, got ",
             rank.tensor().ranks->size());
  check_batch(config, rank.world().size());
  if (form == Form::kBuckets) {
    return std::make_unique<Buckets>(rank, config);
  }
  return std::make_unique<PlannedForm>(rank, config, form, route);
}

}  // namespace dure::train
