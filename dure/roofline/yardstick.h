// The limits of a device here and now, which an operation is held against.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "dure/tensor/device.h"
#include "dure/tensor/dtype.h"

namespace dure::roofline {

class Yardstick {
 public:
  Yardstick() = default;
  Yardstick(const Yardstick&) = delete;
  Yardstick& operator=(const Yardstick&) = delete;
  virtual ~Yardstick() = default;

  // Bytes a second of a triad a = b + s c whose arrays no cache holds, counted
  // as three of them.
  virtual double memory_rate() = 0;

  // Floating-point operations a second: on a GPU those of a product of operands
  // of the type by cuBLASLt, on a CPU those of f32 multiply-adds in registers.
  virtual double product_rate(DType type) = 0;

  // "2 threads, triad 22.6 GB/s, multiply-adds 225.7 GFLOP/s"
  virtual std::string description() = 0;
};

// A smoke test's arrays and products are tiny.
enum class YardstickSize : std::uint8_t { kFull, kSmoke };

// Throws Error if the build has no such device.
std::unique_ptr<Yardstick> yardstick_of(Device device, YardstickSize size);

// The CPU's.
std::unique_ptr<Yardstick> cpu_yardstick(YardstickSize size);

// A GPU's. Without CUDA in the build there is none.
std::unique_ptr<Yardstick> cuda_yardstick(YardstickSize size);

}  // namespace dure::roofline
