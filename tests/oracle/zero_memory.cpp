#include "tests/oracle/zero_memory.h"

#include "dure/base/check.h"

namespace dure::parallel {

StateBytes bytes_per_rank(int stage,
                          double elements,
                          int ranks,
                          const ElementBytes& element) {
  DURE_CHECK(stage >= 0 && stage <= 3 && ranks >= 1,
             "wanted one of ZeRO's stages 0 to 3 on 1 or more ranks, got stage "
             "{} on {}",
             stage,
             ranks);
  const double part = elements / ranks;
  return {.values = element.values * (stage >= 3 ? part : elements),
          .gradients = element.gradients * (stage >= 2 ? part : elements),
          .states = element.states * (stage >= 1 ? part : elements)};
}

}  // namespace dure::parallel
