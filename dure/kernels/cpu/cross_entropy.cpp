#include "dure/kernels/cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/cross_entropy.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/parallel.h"
#include "dure/kernels/cpu/vector_loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

inline constexpr float kLog2E = std::numbers::log2e_v<float>;

HWY_INLINE float largest(const float* x, std::int64_t V) {
  const Vector lowest = broadcast(x[0]);
  Vector most = lowest;
  for_each_vector(0, V, [&](std::int64_t v, auto part) HWY_ATTR {
    most = hn::Max(most, part.load_or(x + v, lowest));
  });
  return hn::GetLane(hn::MaxOfLanes(Floats(), most));
}

// x[v] = exp(x[v] - most), and their sum: in f64 over blocks, so that a row of
// 50,000 is off by no more roundings than one of 1024.
HWY_INLINE double exponentials(float* x,
                               std::int64_t V,
                               float most,
                               Gradient gradient) {
  constexpr std::int64_t kBlock = 1024;
  const Vector scale = broadcast(kLog2E);
  const Vector shift = broadcast(most);
  double total = 0;
  for (std::int64_t block = 0; block < V; block += kBlock) {
    Vector sum = hn::Zero(Floats());
    const std::int64_t end = std::min(V, block + kBlock);
    for_each_vector(block, end, [&](std::int64_t v, auto part) HWY_ATTR {
      const Vector e = exp2(hn::Mul(hn::Sub(part.load(x + v), shift), scale));
      sum = hn::Add(sum, part.only(e));
      if (gradient == Gradient::kInPlace) {
        part.store(e, x + v);
      }
    });
    total += static_cast<double>(sum_of_lanes(sum));
  }
  return total;
}

HWY_INLINE void scale_row(float* x, std::int64_t V, float by) {
  const Vector factor = broadcast(by);
  for_each_vector(0, V, [&](std::int64_t v, auto part) HWY_ATTR {
    part.store(hn::Mul(part.load(x + v), factor), x + v);
  });
}

void cross_entropy_row(const CrossEntropy& op, std::int64_t n) {
  const std::int64_t columns = op.logits.shape()[1];
  const std::int64_t V = op.vocabulary;
  float* const x = op.logits.data() + n * columns;
  const std::int32_t target = op.targets.data<std::int32_t>()[n];
  if (target == kIgnore) {
    op.loss.data()[n] = 0;
    if (op.gradient == Gradient::kInPlace) {
      std::fill(x, x + columns, 0.0F);
    }
    return;
  }
  const float at_target = x[target];
  const float most = largest(x, V);
  const double sum = exponentials(x, V, most, op.gradient);
  op.loss.data()[n] = static_cast<float>(
      std::log(sum) + (static_cast<double>(most) - at_target));
  if (op.gradient == Gradient::kInPlace) {
    scale_row(x, V, static_cast<float>(op.d_loss / sum));
    x[target] -= op.d_loss;
    std::fill(x + V, x + columns, 0.0F);
  }
}

void cross_entropy_rows(const CrossEntropy& op,
                        std::int64_t first,
                        std::int64_t last) {
  for (std::int64_t n = first; n < last; ++n) {
    cross_entropy_row(op, n);
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {
namespace {

HWY_EXPORT(cross_entropy_rows);

void check_targets(const CrossEntropy& op) {
  const std::int32_t* const target = op.targets.data<std::int32_t>();
  for (std::int64_t n = 0; n < op.targets.elements(); ++n) {
    DURE_CHECK(
        target[n] == kIgnore || (target[n] >= 0 && target[n] < op.vocabulary),
        "targets[",
        n,
        "] is ",
        target[n],
        ", wanted 0 to ",
        op.vocabulary - 1,
        " or ",
        kIgnore,
        " for none");
  }
}

}  // namespace

void run(OnCpu, Stream&, const CrossEntropy& op) {
  check_targets(op);
  parallel_ranges(op.logits.shape()[0],
                  {.elements_per_item = op.logits.shape()[1]},
                  [&](std::int64_t first, std::int64_t last) {
                    HWY_DYNAMIC_DISPATCH(cross_entropy_rows)(op, first, last);
                  });
}

}  // namespace dure::kernels
#endif
