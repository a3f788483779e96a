#include "examples/data_parallel/form_trainer.h"

#include "dure/base/check.h"
#include "dure/train/trainer.h"
#include "examples/data_parallel/planned_form.h"

namespace dure::data_parallel {
namespace {

void check_batch(const train::Config& config, int ranks) {
  const std::int64_t wanted = config.train.micro_batch * ranks;
  if (config.train.global_batch != wanted) {
    throw UsageError(
        "train.global_batch is {}; a form of data parallelism "
        "takes one micro-batch a rank, which makes {}",
        config.train.global_batch,
        wanted);
  }
}

// The form that is the trainer itself.
class Buckets final : public FormTrainer {
 public:
  Buckets(train::Rank& rank, const train::Config& config)
      : trainer_(rank, config),
        plan_(plan_for(config,
                       trainer_.rank_model().parameters(),
                       Form::kBuckets,
                       rank.world().size())) {}

  std::optional<double> step(const data::Dataset& dataset) override {
    return trainer_.step(dataset).loss;
  }
  nn::ParameterSet& parameters() override {
    trainer_.rank_model().store().wait();
    return trainer_.rank_model().parameters();
  }
  const FormPlan& plan() const override { return plan_; }

 private:
  train::Trainer trainer_;
  FormPlan plan_;
};

}  // namespace

std::unique_ptr<FormTrainer> make_form_trainer(train::Rank& rank,
                                               const train::Config& config,
                                               Form form,
                                               Route route) {
  DURE_CHECK(rank.tensor().ranks->size() == 1,
             "a form of data parallelism is of whole models: wanted 1 tensor "
             "rank, got {}",
             rank.tensor().ranks->size());
  check_batch(config, rank.world().size());
  if (form == Form::kBuckets) {
    return std::make_unique<Buckets>(rank, config);
  }
  return std::make_unique<PlannedForm>(rank, config, form, route);
}

}  // namespace dure::data_parallel
