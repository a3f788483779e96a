#include "dure/tensor/memory.h"

#include "dure/base/check.h"

namespace dure {

std::unique_ptr<Memory> make_memory(Device device) {
  switch (device) {
    case Device::kCpu:
      return make_cpu_memory();
    case Device::kSim:
      return make_simulated_memory();
    case Device::kCuda:
      break;
  }
  throw Error("this Dure was built without CUDA: it has no memory of a GPU");
}

}  // namespace dure
