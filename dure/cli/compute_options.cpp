#include "dure/cli/compute_options.h"

#include <CLI/CLI.hpp>

#include "dure/model/weights.h"

namespace dure::cli {
namespace {

DType compute_type(const std::string& precision,
                   const checkpoint::WeightSource& source) {
  if (precision != "auto") {
    return precision == "bf16"   ? DType::kBf16
           : precision == "fp16" ? DType::kF16
                                 : DType::kF32;
  }
  switch (source.dtype(model::weights(source.config()).front().name)) {
    case checkpoint::FileDtype::kBf16:
      return DType::kBf16;
    case checkpoint::FileDtype::kF16:
      return DType::kF16;
    default:
      return DType::kF32;
  }
}

}  // namespace

void add_compute_options(CLI::App& command, ComputeOptions& options) {
  command
      .add_option("--device",
                  options.device,
                  "Where to compute: cpu, or cuda, a GPU, on one rank")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  command
      .add_option("--precision",
                  options.precision,
                  "The type of weights, activations and cached keys and "
                  "values; auto: the checkpoint's")
      ->check(CLI::IsMember({"auto", "fp32", "bf16", "fp16"}))
      ->capture_default_str();
}

Device device_of(const ComputeOptions& options) {
  return options.device == "cuda" ? Device::kCuda : Device::kCpu;
}

model::Types types_of(const ComputeOptions& options,
                      const checkpoint::WeightSource& source) {
  const DType compute = compute_type(options.precision, source);
  return {.compute = compute, .residual = compute};
}

}  // namespace dure::cli
