// The machines that a prediction of time assumes, and the source of each
// number: it is given, or a share of a known device's data sheet, or a round
// number of nobody's.
#pragma once

#include <optional>
#include <string>

#include "dure/plan/devices.h"
#include "dure/plan/predict_step.h"
#include "dure/tensor/dtype.h"

namespace dure::plan {

struct MachinesWanted {
  std::string device = {};                // by name (devices.h); empty: none
  std::optional<Products> products = {};  // else those of the tensors' type
  // The share of the device's peaks that a run is assumed to reach. No run
  // reaches the peaks, and how far it gets differs by shape, driver and
  // cooling, so this is a round number, to be replaced by a measured one.
  double reach = 0.75;
  // Given rates are used as they are.
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

// For layers that compute on tensors of this type: f32, bf16 or f16. Throws
// UsageError for an unknown device, and for one without the products.
AssumedMachines assume_machines(const MachinesWanted& wanted,
                                DType tensors = DType::kF32);

}  // namespace dure::plan
