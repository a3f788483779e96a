// The first values of a model's weights.
#pragma once

#include <cstdint>

#include "dure/model/weights.h"
#include "dure/tensor/stream.h"
#include "dure/tensor/tensor.h"

namespace dure::model {

// Elements of a rank's part of a weight, from `offset` on, as many as `value`
// has.
struct WeightSlice {
  Tensor value;
  mesh::Place place = {};
  std::int64_t offset = 0;
};

// Fills a slice by its table's rule (weights.h). A normal value is a function
// of the seed, the weight's name and the element's index in the whole weight,
// so any cut of the weight draws the same numbers. The padding of the
// vocabulary is 0.
void initialize(Stream& stream,
                const WeightSpec& spec,
                std::uint64_t seed,
                const WeightSlice& slice);

}  // namespace dure::model
