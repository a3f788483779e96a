#include <array>
#include <fmt/core.h>
#include <map>
#include <utility>
#include <vector>

#include "dure/base/spread.h"
#include "dure/kernels/elementwise.h"
#include "dure/kernels/matmul.h"
#include "dure/roofline/cuda/triad.h"
#include "dure/roofline/device_time.h"
#include "dure/roofline/yardstick.h"
#include "dure/tensor/arena.h"
#include "dure/tensor/cuda/devices.h"

namespace dure::roofline {
namespace {

constexpr int kRuns = 5;

class CudaYardstick final : public Yardstick {
 public:
  explicit CudaYardstick(YardstickSize size)
      : elements_(size == YardstickSize::kFull ? std::int64_t{64} << 20 : 4096),
        side_(size == YardstickSize::kFull ? 4096 : 64) {
    for (OwnedTensor& tensor : triad_) {
      tensor = filled({elements_}, DType::kF32);
    }
  }

  double memory_rate() override {
    const double seconds = median_seconds(
        [&] { cuda_triad(stream_, triad_[0], triad_[1], triad_[2]); });
    return 12.0 * static_cast<double>(elements_) / seconds;
  }

  double product_rate(DType type) override {
    std::array<OwnedTensor, 3>& operands = products_[type];
    if (!operands[0]) {
      for (OwnedTensor& tensor : operands) {
        tensor = filled({side_, side_}, type);
      }
    }
    const kernels::MatMul product = {.y = operands[0],
                                     .a = operands[1],
                                     .b = operands[2],
                                     .transpose_b = kernels::Transpose::kYes};
    const double seconds =
        median_seconds([&] { kernels::launch(stream_, product); });
    return kernels::cost(product).flops / seconds;
  }

  std::string description() override {
    const CudaMachine machine = this_cuda_machine();
    const CudaDevice& device = machine.devices.at(0);
    return fmt::format(
        "{}, compute capability {}.{}, {} multiprocessors, CUDA {}, driver of "
        "CUDA {}, cuBLASLt {}: triad {:.1f} GB/s, products of f32 {:.1f} and "
        "bf16 {:.1f} TFLOP/s",
        device.name,
        device.major,
        device.minor,
        device.multiprocessors,
        machine.runtime,
        machine.driver,
        machine.cublaslt,
        1e-9 * memory_rate(),
        1e-12 * product_rate(DType::kF32),
        1e-12 * product_rate(DType::kBf16));
  }

 private:
  OwnedTensor filled(const Shape& shape, DType type) {
    OwnedTensor tensor = arena_.tensor(shape, Category::kWorkspace, type);
    kernels::launch(stream_, kernels::Fill{.y = tensor, .value = 0.5F});
    return tensor;
  }

  // The first run, which loads the kernel, does not count.
  template <typename Launch>
  double median_seconds(const Launch& launch) {
    launch();
    std::vector<double> seconds;
    for (int i = 0; i < kRuns; ++i) {
      seconds.push_back(seconds_of(stream_, launch));
    }
    return spread_of(std::move(seconds)).median;
  }

  std::int64_t elements_;
  std::int64_t side_;
  Stream stream_{Device::kCuda};
  Arena arena_{stream_};
  std::array<OwnedTensor, 3> triad_;
  std::map<DType, std::array<OwnedTensor, 3>> products_;
};

}  // namespace

std::unique_ptr<Yardstick> cuda_yardstick(YardstickSize size) {
  return std::make_unique<CudaYardstick>(size);
}

}  // namespace dure::roofline
