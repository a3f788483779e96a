#include "dure/model/unit.h"

namespace dure::model {

std::optional<nn::Access> Accesses::of(parallel::Pass pass) const {
  switch (pass) {
    case parallel::Pass::kForward:
      return forward;
    case parallel::Pass::kBackward:
      return backward;
    case parallel::Pass::kInputGradient:
      return input;
    case parallel::Pass::kWeightGradient:
      return weight;
    case parallel::Pass::kUpdate:
      break;
  }
  return std::nullopt;
}

}  // namespace dure::model
