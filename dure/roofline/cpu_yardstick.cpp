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
  explicit CpuYardstick(YardstickSize size)
      : elements_(size == YardstickSize::kFull ? 8 << 20 : 4096),
        rounds_(size == YardstickSize::kFull ? 200'000 : 1000),
        a_(static_cast<std::size_t>(elements_)),
        b_(static_cast<std::size_t>(elements_), 1.0F),
        c_(static_cast<std::size_t>(elements_), 2.0F) {}

  double memory_rate() override {
    const std::int64_t length = elements_ / 64;
    Team team(0);
    const double start = monotonic_seconds();
    team.run(64, [&](std::int64_t piece, int) {
      const std::int64_t first = piece * length;
      std::transform(b_.begin() + first,
                     b_.begin() + first + length,
                     c_.begin() + first,
                     a_.begin() + first,
                     [](float x, float y) { return x + 3.0F * y; });
    });
    return 12.0 * static_cast<double>(elements_) /
           (monotonic_seconds() - start);
  }

  double product_rate(DType /*type*/) override { return fma_rate(rounds_); }

  std::string description() override {
    return fmt::format(
        "{} threads, triad {:.1f} GB/s, multiply-adds {:.1f} GFLOP/s",
        usable_processors(),
        1e-9 * memory_rate(),
        1e-9 * fma_rate(rounds_));
  }

 private:
  std::int64_t elements_;
  std::int64_t rounds_;
  std::vector<float> a_;
  std::vector<float> b_;
  std::vector<float> c_;
};

}  // namespace

std::unique_ptr<Yardstick> cpu_yardstick(YardstickSize size) {
  return std::make_unique<CpuYardstick>(size);
}

}  // namespace dure::roofline
