// Every layer as an example (layer_example_testing.h), with all that changes
// its arithmetic: kinds of norms, activations and positions, patterns, dropout.
#pragma once

#include <cstdint>
#include <span>

#include "dure/nn/layer_example_testing.h"

namespace dure::nn {

// The rows of the residual stream in the examples.
inline constexpr std::int64_t kLayerRows = 12;

struct LayerRow {
  const char* name;
  void (*make)(LayerExample&);
};

std::span<const LayerRow> layer_rows();

}  // namespace dure::nn
