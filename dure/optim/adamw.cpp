#include "dure/optim/adamw.h"

#include <cmath>

#include "dure/kernels/adamw.h"
#include "dure/optim/config.h"

namespace dure::optim {
namespace {

// Computes in f64, because 1 - beta^t loses most of its digits in f32 while t
// is small.
void fill_rates(const OptimizerConfig& config,
                std::int64_t update,
                double learning_rate,
                std::span<float> rates) {
  const auto t = static_cast<double>(update);
  const auto rest = [t](double beta) {
    const auto rounded = static_cast<float>(beta);
    return 1 - std::pow(static_cast<double>(rounded), t);
  };
  const auto rate = static_cast<float>(learning_rate);
  rates[0] = rate;
  rates[1] = static_cast<float>(rate / rest(config.beta1));
  rates[2] = static_cast<float>(1 / std::sqrt(rest(config.beta2)));
}

void launch_update(Stream& stream,
                   const OptimizerConfig& config,
                   const Update& update) {
  launch(stream,
         kernels::AdamW{.spans = update.spans,
                        .control = update.control,
                        .beta1 = static_cast<float>(config.beta1),
                        .beta2 = static_cast<float>(config.beta2),
                        .epsilon = static_cast<float>(config.epsilon)});
}

}  // namespace

constinit const OptimizerRow kAdamW = {
    .name = "adamw",
    .defaults = {.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8},
    .states =
        [](const OptimizerConfig& /*config*/) {
          return std::vector<OptimizerState>{{.name = "momentum"},
                                             {.name = "variance"}};
        },
    .rates = kernels::AdamW::kRates,
    .fill_rates = fill_rates,
    .launch = launch_update};

}  // namespace dure::optim
