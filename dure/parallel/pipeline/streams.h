// The data that passes between the units of a model, and between the stages of
// a pipeline: a few named streams of rows.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "dure/tensor/arena.h"

namespace dure::parallel {

// kResidual: the residual stream of a micro-batch. kEncoder: the output of an
// encoder, for all blocks of a decoder.
enum class StreamName : std::uint8_t { kResidual, kEncoder };
inline constexpr std::size_t kStreamNames = 2;

// Streams by name, (n, C) each on this tensor rank; one that does not pass here
// is empty. In a backward they are gradients.
class Streams {
 public:
  OwnedTensor& operator[](StreamName name) {
    return tensors_[static_cast<std::size_t>(name)];
  }

 private:
  std::array<OwnedTensor, kStreamNames> tensors_;
};

// The form of a stream, and of its gradient, between two stages.
struct StreamSpec {
  StreamName name = StreamName::kResidual;
  std::int64_t columns = 0;  // C
  DType dtype;
};

// The streams that each stage hands to the next, in the order of the stages.
using Boundaries = std::vector<std::vector<StreamSpec>>;

}  // namespace dure::parallel
