#include "dure/optim/sgd.h"

#include "dure/kernels/sgd.h"
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
         kernels::Sgd{.spans = update.spans,
                      .control = update.control,
                      .momentum = static_cast<float>(config.momentum)});
}

std::vector<OptimizerState> states(const OptimizerConfig& config) {
  if (config.momentum == 0) {
    return {};
  }
  return {{.name = "momentum"}};
}

}  // namespace

constinit const OptimizerRow kSgd = {.name = "sgd",
                                     .states = states,
                                     .rates = kernels::Sgd::kRates,
                                     .fill_rates = fill_rates,
                                     .launch = launch_update};

}  // namespace dure::optim
