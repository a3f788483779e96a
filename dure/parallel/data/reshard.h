// When the weights that ZeRO 3 has gathered are dropped.
#pragma once

#include <cstdint>

namespace dure::parallel {

// How long stage 3 keeps a gathered bucket in training. kAfterUse: as long as
// the visits ahead read it. kAfterStep: from its first reading in a step to its
// last.
enum class Reshard : std::uint8_t { kAfterUse, kAfterStep };

}  // namespace dure::parallel
