// What each layer of a model was measured to take, for cutting it into stages
// of a pipeline that are equally slow (stage_split.h).
#pragma once

#include <cstdint>
#include <vector>

namespace dure::model {

// Of one micro-batch.
struct LayerProfile {
  double forward_seconds = 0;
  double backward_seconds = 0;
  double output_bytes = 0;  // what goes on to the next layer
  double weight_bytes = 0;

  bool operator==(const LayerProfile&) const = default;
};

struct Profile {
  std::vector<LayerProfile> layers = {};  // embedding, blocks, head

  // What an output goes to another stage at; above 0.
  double link_bytes_per_second = 1;

  bool operator==(const Profile&) const = default;
};

}  // namespace dure::model
