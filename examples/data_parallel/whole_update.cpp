#include "examples/data_parallel/whole_update.h"

#include "dure/base/check.h"
#include "dure/kernels/decide_update.h"
#include "dure/kernels/elementwise.h"
#include "dure/kernels/transfer.h"
#include "dure/optim/optimizer.h"
#include "dure/optim/schedule.h"

namespace dure::data_parallel {
namespace {

using kernels::DecideUpdate;
using kernels::kSumDigits;

template <typename Numbers>
void upload(Stream& stream, Tensor y, const Numbers& host) {
  launch(stream,
         kernels::Upload{.y = y, .host = std::as_bytes(std::span(host))});
}

Tensor flat(Tensor x) {
  return x.reshaped({x.elements()});
}

}  // namespace

WholeUpdate::WholeUpdate(train::Rank& rank,
                         const nn::ParameterSet& parameters,
                         const optim::OptimizerConfig& config)
    : rank_(rank), parameters_(parameters), config_(config) {
  const optim::OptimizerRow& row = *config.name;
  for (std::size_t k = 0; k < row.states(config).size(); ++k) {
    states_.push_back(rank.arena.tensor(
        {parameters.elements()}, Category::kOptimizer, DType::kF32));
    launch(rank.stream, kernels::Fill{.y = states_.back(), .value = 0});
  }
  const auto room = [&](const Shape& shape, DType dtype) {
    return rank.arena.tensor(shape, Category::kWorkspace, dtype);
  };
  const std::int64_t weights = std::ssize(parameters.all());
  control_ = room({kernels::kDecisions + row.rates}, DType::kF32);
  counters_ = room({DecideUpdate::kCounters}, DType::kI64);
  outcome_ = room({DecideUpdate::kOutcomes}, DType::kI64);
  rates_ = room({1, row.rates}, DType::kF32);
  squares_ = room({kSumDigits}, DType::kI64);
  numbers_ = room({2}, DType::kI64);
  if (row.measure != nullptr) {
    weight_sums_ = room({weights, optim::kWeightSums, kSumDigits}, DType::kI64);
  }
  upload(rank.stream,
         counters_,
         std::vector<std::int64_t>(DecideUpdate::kCounters));
}

void WholeUpdate::run(ConstTensor loss) {
  decide(loss);
  std::vector<float> control(static_cast<std::size_t>(control_.elements()), 1);
  launch(rank_.stream,
         kernels::Download{.host = std::as_writable_bytes(std::span(control)),
                           .x = control_});
  rank_.stream.synchronize();
  DURE_CHECK(control[kernels::kIsUpdated] == 1,
             "the loss or the gradients are not finite; lower "
             "optimizer.learning_rate");
  apply();
  ++updates_;
}

void WholeUpdate::decide(ConstTensor loss) {
  std::vector<ConstTensor> gradients;
  for (const nn::Parameter& parameter : parameters_.all()) {
    gradients.push_back(parameter.gradient);
  }
  const std::int64_t update = updates_ + 1;
  upload(rank_.stream, numbers_, std::vector{update, std::ssize(gradients)});
  upload(rank_.stream,
         squares_,
         std::vector<std::int64_t>(static_cast<std::size_t>(kSumDigits)));
  launch(rank_.stream,
         kernels::SquaredNorm{.sum = squares_,
                              .first_nonfinite = numbers_.rows(1, 1),
                              .spans = gradients});
  std::vector<float> rates(static_cast<std::size_t>(rates_.elements()));
  config_.name->fill_rates(
      config_, update, optim::learning_rate(update, config_), rates);
  upload(rank_.stream, rates_, rates);
  launch(rank_.stream,
         DecideUpdate{.control = control_,
                      .outcome = outcome_,
                      .counters = counters_,
                      .loss = loss,
                      .squares = squares_,
                      .rates = rates_,
                      .first_update = numbers_.rows(0, 1),
                      .clip = config_.clip_gradient});
}

void WholeUpdate::apply() {
  std::vector<kernels::UpdateSpan> spans;
  std::int64_t first = 0;
  for (const nn::Parameter& parameter : parameters_.all()) {
    const std::int64_t n = parameter.value.elements();
    kernels::UpdateSpan span = {
        .master = flat(parameter.value),
        .weight = flat(parameter.value),
        .gradient = flat(parameter.gradient),
        .weight_decay =
            parameter.decays ? static_cast<float>(config_.weight_decay) : 0};
    for (std::size_t k = 0; k < states_.size(); ++k) {
      span.states[k] = states_[k].rows(first, n);
    }
    span.row = static_cast<std::int32_t>(spans.size());
    spans.push_back(span);
    first += n;
  }
  const optim::Update update = {
      .spans = spans, .control = control_, .sums = weight_sums_};
  if (config_.name->measure != nullptr) {
    upload(rank_.stream,
           weight_sums_,
           std::vector<std::int64_t>(
               static_cast<std::size_t>(weight_sums_.elements())));
    config_.name->measure(rank_.stream, config_, update);
  }
  config_.name->launch(rank_.stream, config_, update);
}

}  // namespace dure::data_parallel
