// The options --device and --type of a benchmark.
#pragma once

#include <string>

#include "dure/base/check.h"
#include "dure/tensor/device.h"
#include "dure/tensor/dtype.h"

namespace dure::bench {

inline Device device_of(const std::string& name) {
  DURE_CHECK(name == "cpu" || name == "cuda",
             "--device takes cpu or cuda, got {}",
             name);
  return name == "cuda" ? Device::kCuda : Device::kCpu;
}

inline DType type_of(const std::string& name) {
  for (const DType type : {DType::kF32, DType::kBf16, DType::kF16}) {
    if (name == name_of(type)) {
      return type;
    }
  }
  fail("--type takes f32, bf16 or f16, got {}", name);
}

}  // namespace dure::bench
