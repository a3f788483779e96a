// What a prediction of time assumes about the machines, and where each number
// comes from: it is given, or a share of what a known device's maker says, or
// nobody's.
#pragma once

#include <optional>
#include <string>

#include "dure/plan/devices.h"
#include "dure/plan/predict_step.h"

namespace dure::plan {

struct MachinesWanted {
  std::string device = {};  // by name (devices.h); empty: of none
  Products products = Products::kFp32;
  // The share of the device's peaks that a run is assumed to reach. Nobody
  // reaches them: what is reached differs by shape, driver and cooling, so this
  // is a round number, to be replaced by a measured one.
  double reach = 0.75;
  // Given ones are taken as they are.
  std::optional<double> flops_per_second = {};
  std::optional<double> memory_bytes_per_second = {};
  std::optional<double> node_link_bytes_per_second = {};
  std::optional<double> link_bytes_per_second = {};
  std::optional<int> node_ranks = {};
};

struct Assumed {
  double value = 0;
  std::string source = {};  // "given", "0.75 of h100-sxm's 67 TFLOP/s in fp32"
};

struct AssumedMachines {
  Assumed flops = {};
  Assumed memory = {};
  Assumed node_link = {};
  Assumed link = {};
  int node_ranks = 1;

  Machines machines() const;
};

// Throws UsageError for a device that is not known, and for one that does not
// have the wanted products.
AssumedMachines assume_machines(const MachinesWanted& wanted);

}  // namespace dure::plan
