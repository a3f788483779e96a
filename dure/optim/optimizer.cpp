#include "dure/optim/optimizer.h"

#include <algorithm>

#include "dure/base/check.h"
#include "dure/optim/adamw.h"
#include "dure/optim/config.h"
#include "dure/optim/lamb.h"
#include "dure/optim/lion.h"
#include "dure/optim/sgd.h"

namespace dure::optim {
namespace {

constexpr const OptimizerRow* kOptimizers[] = {&kAdamW, &kLion, &kLamb, &kSgd};

}  // namespace

std::span<const OptimizerRow* const> optimizers() {
  return kOptimizers;
}

const OptimizerRow& optimizer(const std::string& name) {
  const auto found = std::ranges::find_if(
      kOptimizers, [&](const OptimizerRow* row) { return row->name == name; });
  DURE_CHECK(found != std::ranges::end(kOptimizers),
             "no optimizer is called {}",
             name);
  return **found;
}

}  // namespace dure::optim
