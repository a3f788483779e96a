// The model of --smoke, in which nothing takes time.
#pragma once

#include "dure/model/config.h"

namespace dure::bench {

// It has a block for each of two chunks on two stages.
inline model::ModelConfig tiny_model() {
  model::ModelConfig model;
  model.preset = "tiny";
  model.layers = 4;
  model.hidden = 32;
  model.heads = 4;
  model.vocabulary = 100;
  model.max_sequence = 16;
  return model;
}

}  // namespace dure::bench
