#include "dure/tensor/memory.h"

#include "dure/base/check.h"

namespace dure {
namespace {

#ifdef DURE_WITH_CUDA
constexpr bool kWithCuda = true;
#else
constexpr bool kWithCuda = false;
#endif

}  // namespace

std::unique_ptr<Memory> make_memory(Stream& home) {
  if constexpr (kWithCuda) {
    if (home.device() == Device::kCuda) {
      return make_cuda_memory(home.queue());
    }
  }
  if (home.device() == Device::kSim) {
    return make_simulated_memory(
        home.order() == nullptr
            ? 0
            : home.order()->order()->next_simulated_memory());
  }
  return make_cpu_memory();
}

std::unique_ptr<DeviceQueue> make_device_queue(Device device) {
  if (device != Device::kCuda) {
    return nullptr;
  }
  if constexpr (kWithCuda) {
    return make_cuda_queue();
  }
  throw Error(
      "this Dure was built without CUDA: configure it with the preset cuda, or "
      "set train.device = \"cpu\"");
}

}  // namespace dure
