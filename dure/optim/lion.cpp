#include "dure/optim/lion.h"

#include "dure/kernels/lion.h"
#include "dure/optim/config.h"

namespace dure::optim {
namespace {

void fill_rates(const OptimizerConfig& /*config*/,
                std::int64_t /*update*/,
                double learning_rate,
                std::span<float> rates) {
  rates[0] = static_cast<float>(learning_rate);
}

void launch_update(Stream& stream,
                   const OptimizerConfig& config,
                   const Update& update) {
  launch(stream,
         kernels::Lion{.spans = update.spans,
                       .control = update.control,
                       .beta1 = static_cast<float>(config.beta1),
                       .beta2 = static_cast<float>(config.beta2)});
}

}  // namespace

constinit const OptimizerRow kLion = {
    .name = "lion",
    .defaults = {.beta1 = 0.9, .beta2 = 0.99},
    .states =
        [](const OptimizerConfig& /*config*/) {
          return std::vector<OptimizerState>{{.name = "momentum"}};
        },
    .rates = kernels::Lion::kRates,
    .fill_rates = fill_rates,
    .launch = launch_update};

}  // namespace dure::optim
