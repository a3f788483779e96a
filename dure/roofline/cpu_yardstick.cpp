#include <algorithm>
#include <fmt/core.h>
#include <vector>

#include "dure/base/limits.h"
#include "dure/base/team.h"
#include "dure/base/trace.h"
#include "dure/roofline/fma_rate.h"
#include "dure/roofline/yardstick.h"

namespace dure::roofline {
namespace {

class CpuYardstick final : public Yardstick {
 public:
  double memory_rate() override {
    constexpr std::int64_t kPiece = kElements / 64;
    Team team(0);
    const double start = monotonic_seconds();
    team.run(64, [&](std::int64_t piece, int) {
      const std::int64_t first = piece * kPiece;
      std::transform(b_.begin() + first,
                     b_.begin() + first + kPiece,
                     c_.begin() + first,
                     a_.begin() + first,
                     [](float x, float y) { return x + 3.0F * y; });
    });
    return 12.0 * static_cast<double>(kElements) /
           (monotonic_seconds() - start);
  }

  double product_rate(DType /*type*/) override { return fma_rate(); }

  std::string description() override {
    return fmt::format(
        "{} threads, triad {:.1f} GB/s, multiply-adds {:.1f} GFLOP/s",
        usable_processors(),
        1e-9 * memory_rate(),
        1e-9 * fma_rate());
  }

 private:
  static constexpr std::int64_t kElements = 8 << 20;

  std::vector<float> a_ = std::vector<float>(kElements);
  std::vector<float> b_ = std::vector<float>(kElements, 1.0F);
  std::vector<float> c_ = std::vector<float>(kElements, 2.0F);
};

}  // namespace

std::unique_ptr<Yardstick> cpu_yardstick() {
  return std::make_unique<CpuYardstick>();
}

}  // namespace dure::roofline
