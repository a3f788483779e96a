// The visits of a rank that has the whole model, for tests.
#pragma once

#include <vector>

#include "dure/nn/parameter.h"

namespace dure::parallel {

// All visits of a step: for each micro-batch the forward and then the backward,
// of a model of `units` units, 2 or more.
inline std::vector<nn::Visit> visits(int units, int micro_batches) {
  using nn::Access;
  std::vector<nn::Visit> result;
  for (int m = 0; m < micro_batches; ++m) {
    for (int unit = 0; unit + 1 < units; ++unit) {
      result.push_back({unit, Access::kParameters, m});
    }
    result.push_back({units - 1, Access::kBoth, m});
    for (int unit = units - 2; unit > 0; --unit) {
      result.push_back({unit, Access::kBoth, m});
    }
    result.push_back({0, Access::kGradients, m});
  }
  return result;
}

}  // namespace dure::parallel
