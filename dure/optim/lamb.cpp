#include "dure/optim/lamb.h"

#include <cmath>

#include "dure/kernels/lamb.h"
#include "dure/optim/config.h"

namespace dure::optim {
namespace {

static_assert(kernels::kLambSums == kWeightSums);

// Computes in f64, as AdamW does.
void fill_rates(const OptimizerConfig& config,
                std::int64_t update,
                double learning_rate,
                std::span<float> rates) {
  const auto t = static_cast<double>(update);
  const auto rest = [t](double beta) {
    const auto rounded = static_cast<float>(beta);
    return 1 - std::pow(static_cast<double>(rounded), t);
  };
  rates[0] = static_cast<float>(learning_rate);
  rates[1] = static_cast<float>(1 / rest(config.beta1));
  rates[2] = static_cast<float>(1 / std::sqrt(rest(config.beta2)));
}

void launch_measure(Stream& stream,
                    const OptimizerConfig& config,
                    const Update& update) {
  launch(stream,
         kernels::LambMeasure{.sums = update.sums,
                              .spans = update.spans,
                              .control = update.control,
                              .beta1 = static_cast<float>(config.beta1),
                              .beta2 = static_cast<float>(config.beta2),
                              .epsilon = static_cast<float>(config.epsilon)});
}

void launch_update(Stream& stream,
                   const OptimizerConfig& config,
                   const Update& update) {
  launch(stream,
         kernels::LambUpdate{.spans = update.spans,
                             .control = update.control,
                             .sums = update.sums,
                             .epsilon = static_cast<float>(config.epsilon)});
}

}  // namespace

constinit const OptimizerRow kLamb = {
    .name = "lamb",
    .defaults = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-6},
    .states =
        [](const OptimizerConfig& /*config*/) {
          return std::vector<OptimizerState>{{.name = "momentum"},
                                             {.name = "variance"}};
        },
    .rates = kernels::LambMeasure::kRates,
    .fill_rates = fill_rates,
    .launch = launch_update,
    .measure = launch_measure};

}  // namespace dure::optim
