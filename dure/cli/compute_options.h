// --device and --precision: where a command that trains nothing computes, and
// in which type it keeps weights and activations.
#pragma once

#include <string>

#include "dure/checkpoint/weight_source.h"
#include "dure/model/unit.h"
#include "dure/tensor/device.h"

namespace CLI {  // NOLINT(readability-identifier-naming): its own
class App;
}  // namespace CLI

namespace dure::cli {

struct ComputeOptions {
  std::string device = "cpu";
  std::string precision = "auto";
};

void add_compute_options(CLI::App& command, ComputeOptions& options);

Device device_of(const ComputeOptions& options);

// The types that --precision asks for: with "auto", those of the file's first
// weight. The residual stream has the compute type.
model::Types types_of(const ComputeOptions& options,
                      const checkpoint::WeightSource& source);

}  // namespace dure::cli
