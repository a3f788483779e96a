// What a run is, in some lines before its first step.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "dure/comm/communicator.h"
#include "dure/train/config.h"

namespace dure::cli {

struct TrainHeader {
  const train::Config& config;  // resolved, of known ranks
  const comm::Communicator& world;
  std::size_t predicted_bytes = 0;  // of the rank that needs the most
  std::size_t allowed_bytes = 0;    // a rank; 0: not known
};

// Model and parameters; batch and tokens a step; ranks and mesh; memory
// predicted and allowed; files.
std::vector<std::string> lines_of(const TrainHeader& header);

}  // namespace dure::cli
