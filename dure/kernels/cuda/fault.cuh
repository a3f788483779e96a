// How a kernel says that a number of its data is out of range.
#pragma once

#include "dure/kernels/cuda/launch.cuh"
#include "dure/tensor/cuda/fault.h"

namespace dure::kernels {

inline DeviceFault* fault_of(const Stream& stream) {
  return cuda_queue(stream.queue()).fault();
}

// Whether the number is in [0, below). If not, and if no other thread was
// sooner, the stream's next synchronize() throws with `what`, a name that
// outlives the stream.
__device__ inline bool is_below(DeviceFault* fault,
                                const char* what,
                                std::int64_t value,
                                std::int64_t below,
                                std::int64_t index) {
  if (value >= 0 && value < below) {
    return true;
  }
  const auto name = reinterpret_cast<unsigned long long>(what);
  if (atomicCAS(&fault->what, 0ULL, name) == 0) {
    fault->value = value;
    fault->below = below;
    fault->index = index;
  }
  return false;
}

}  // namespace dure::kernels
