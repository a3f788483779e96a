#include "dure/roofline/yardstick.h"

#include "dure/base/check.h"

namespace dure::roofline {

std::unique_ptr<Yardstick> yardstick_of(Device device, YardstickSize size) {
#ifdef DURE_WITH_CUDA
  if (device == Device::kCuda) {
    return cuda_yardstick(size);
  }
#endif
  DURE_CHECK(device == Device::kCpu,
             "this build has no CUDA: configure it with --preset cuda");
  return cpu_yardstick(size);
}

}  // namespace dure::roofline
