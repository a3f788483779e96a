// What passes between the units of a model, and between the stages of a
// pipeline: a few named streams of rows.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "dure/tensor/arena.h"

namespace dure::parallel {

// kResidual: the rows of a micro-batch on their way through the blocks.
// kEncoder: what an encoder made of its rows, for all blocks of a decoder.
enum class StreamName : std::uint8_t { kResidual, kEncoder };
inline constexpr std::size_t kStreamNames = 2;

// By name, (n, C) each on this tensor rank; one that does not pass here is
// empty. On the way back, their gradients.
class Streams {
 public:
  OwnedTensor& operator[](StreamName name) {
    return tensors_[static_cast<std::size_t>(name)];
  }

 private:
  std::array<OwnedTensor, kStreamNames> tensors_;
};

// A stream, and on the way back its gradient, as it passes from a stage to the
// next.
struct StreamSpec {
  StreamName name = StreamName::kResidual;
  std::int64_t columns = 0;  // C
  DType dtype;
};

// What each stage hands to the one after it, in the order of the stages.
using Boundaries = std::vector<std::vector<StreamSpec>>;

}  // namespace dure::parallel
