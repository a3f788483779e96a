#include "dure/cli/precision_option.h"

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

void add_precision_option(CLI::App& command, std::string& precision) {
  command
      .add_option("--precision",
                  precision,
                  "The type of weights, activations and cached keys and "
                  "values; auto: the checkpoint's")
      ->check(CLI::IsMember({"auto", "fp32", "bf16", "fp16"}))
      ->capture_default_str();
}

model::Types types_of(const std::string& precision,
                      const checkpoint::WeightSource& source) {
  const DType compute = compute_type(precision, source);
  return {.compute = compute, .residual = compute};
}

}  // namespace dure::cli
