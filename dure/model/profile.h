// The measured times of a model's layers, for cutting it into pipeline stages
// that are equally slow (stage_split.h).
#pragma once

#include <cstdint>
#include <vector>

namespace dure::model {

// Times of one micro-batch.
struct LayerProfile {
  double forward_seconds = 0;
  double backward_seconds = 0;
  double output_bytes = 0;  // of what goes to the next layer
  double weight_bytes = 0;

  bool operator==(const LayerProfile&) const = default;
};

struct Profile {
  std::vector<LayerProfile> layers = {};  // embedding, blocks, head

  // The rate at which outputs go to another stage; above 0.
  double link_bytes_per_second = 1;

  bool operator==(const Profile&) const = default;
};

}  // namespace dure::model
