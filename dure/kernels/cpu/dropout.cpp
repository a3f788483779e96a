#include "dure/kernels/dropout.h"

#include <algorithm>

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/dropout.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/parallel.h"
#include "dure/kernels/cpu/philox-inl.h"
#include "dure/kernels/cpu/vector_loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// The most elements of a range [first, last).
inline constexpr std::int64_t kTile = 1024;

HWY_INLINE void drop_tile(const Dropout& op,
                          std::int64_t first,
                          std::int64_t last) {
  HWY_ALIGN std::uint32_t buffer[words_for(kTile)];
  const DropoutMask& mask = op.mask;
  const std::uint32_t* const words =
      draw_words(mask.stream,
                 mask.first_index() + static_cast<std::uint64_t>(first),
                 last - first,
                 buffer);
  const std::int32_t threshold = keep_threshold(mask.rate);
  const Vector scale = broadcast(1 / (1 - mask.rate));
  const float* const x = op.x.data<float>();
  const float* const residual =
      op.residual ? op.residual.data<float>() : nullptr;
  float* const y = op.y.data<float>();
  for_each_vector(first, last, [&](std::int64_t i, auto part) HWY_ATTR {
    const Vector scaled = hn::Mul(part.load(x + i), scale);
    const Vector dropped =
        hn::IfThenElseZero(kept(words + i - first, threshold), scaled);
    part.store(residual != nullptr ? hn::Add(dropped, part.load(residual + i))
                                   : dropped,
               y + i);
  });
}

void drop_range(const Dropout& op, std::int64_t first, std::int64_t last) {
  for (std::int64_t i = first; i < last; i += kTile) {
    drop_tile(op, i, std::min(i + kTile, last));
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {
namespace {

HWY_EXPORT(drop_range);

// The case of rate 0. The compiler's vectors in plain loops keep up with
// memory.
void pass_range(const Dropout& op, std::int64_t first, std::int64_t last) {
  float* const y = op.y.data<float>();
  const float* const x = op.x.data<float>();
  if (!op.residual) {
    std::copy(x + first, x + last, y + first);
    return;
  }
  const float* const residual = op.residual.data<float>();
  for (std::int64_t i = first; i < last; ++i) {
    y[i] = x[i] + residual[i];
  }
}

}  // namespace

void run(OnCpu, Stream& stream, const Dropout& op) {
  parallel_ranges(stream,
                  op.x.elements(),
                  kFlat,
                  [&](std::int64_t first, std::int64_t last) {
                    if (op.mask.rate > 0) {
                      HWY_DYNAMIC_DISPATCH(drop_range)(op, first, last);
                    } else if (op.residual || op.y.bytes() != op.x.bytes()) {
                      pass_range(op, first, last);
                    }
                  });
}

}  // namespace dure::kernels
#endif
