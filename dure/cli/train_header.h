// A few lines about a run, printed before its first step.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "dure/comm/communicator.h"
#include "dure/config/config.h"

namespace dure::cli {

struct TrainHeader {
  const train::Config& config;  // resolved, with known ranks
  const comm::Communicator& world;
  std::size_t predicted_bytes = 0;  // for the rank that needs the most
  std::size_t allowed_bytes = 0;    // for a rank; 0: unknown
};

// Lines with model and parameters; batch and tokens a step; ranks and mesh;
// predicted and allowed memory; files.
std::vector<std::string> lines_of(const TrainHeader& header);

}  // namespace dure::cli
