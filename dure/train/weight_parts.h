// What a rank has of a checkpoint's tensors: stretches of their elements.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dure/checkpoint/safetensors.h"
#include "dure/optim/optimizer.h"
#include "dure/tensor/stream.h"
#include "dure/tensor/tensor.h"

namespace dure::train {

// Elements [offset, offset + values.elements()), row-major, of a weight or of a
// state of one. They may go beyond what the checkpoint has of it: into, or lie
// wholly in, the rows that pad the vocabulary. Of one tensor a rank may have
// any number of parts, which do not overlap.
struct WeightPart {
  std::string name;  // "WEIGHT", "WEIGHT.momentum"
  std::int64_t offset = 0;
  Tensor values;
};

std::vector<WeightPart> parts_of(std::span<const optim::Target> targets);
std::vector<WeightPart> parts_of(std::span<const optim::State> states);

// How many of the part's elements are among the first `elements`.
std::int64_t elements_within(const WeightPart& part, std::int64_t elements);

// Reads the part's elements, and no others, from the tensor of its name. What
// lies beyond the tensor becomes 0. Error where the tensor is not there, is not
// of `shape`, or not F32.
void read_part(Stream& stream,
               const WeightPart& part,
               const checkpoint::SafetensorsFile& file,
               const checkpoint::Dims& shape);

}  // namespace dure::train
