#include "dure/kernels/dropout.h"

#include <algorithm>

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/dropout.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/f32_tile-inl.h"
#include "dure/kernels/cpu/parallel.h"
#include "dure/kernels/cpu/philox-inl.h"
#include "dure/kernels/cpu/vector_loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// The elements of a tile.
inline constexpr std::int64_t kTile = 1024;

// y = kept(i, x) [+ residual], with i counted from the tile's first element.
template <typename Kept>
HWY_INLINE void write_tile(const Dropout& op, Range tile, const Kept& kept_of) {
  HWY_ALIGN float x_buffer[kTile];
  HWY_ALIGN float residual_buffer[kTile];
  HWY_ALIGN float y_buffer[kTile];
  const float* const x = load_tile(op.x, tile, x_buffer);
  const float* const residual =
      op.residual ? load_tile(op.residual, tile, residual_buffer) : nullptr;
  float* const y = place_of_tile(op.y, tile, y_buffer);
  for_each_vector(0, tile.count(), [&](std::int64_t i, auto part) HWY_ATTR {
    const Vector dropped = kept_of(i, part.load(x + i));
    part.store(residual != nullptr ? hn::Add(dropped, part.load(residual + i))
                                   : dropped,
               y + i);
  });
  store_tile(op.y, tile, y);
}

HWY_INLINE void drop_tile(const Dropout& op, Range tile) {
  HWY_ALIGN std::uint32_t buffer[words_for(kTile)];
  const DropoutMask& mask = op.mask;
  const std::uint32_t* const words =
      draw_words(mask.stream,
                 mask.first_index() + static_cast<std::uint64_t>(tile.first),
                 tile.count(),
                 buffer);
  const std::int32_t threshold = keep_threshold(mask.rate);
  const Vector scale = broadcast(1 / (1 - mask.rate));
  write_tile(op, tile, [&](std::int64_t i, Vector x) HWY_ATTR {
    return hn::IfThenElseZero(kept(words + i, threshold), hn::Mul(x, scale));
  });
}

void drop_range(const Dropout& op, Range range) {
  for (std::int64_t i = range.first; i < range.last; i += kTile) {
    drop_tile(op, {i, std::min(i + kTile, range.last)});
  }
}

// The case of rate 0.
void pass_range(const Dropout& op, Range range) {
  for (std::int64_t i = range.first; i < range.last; i += kTile) {
    write_tile(op,
               {i, std::min(i + kTile, range.last)},
               [](std::int64_t, Vector x) HWY_ATTR { return x; });
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {
namespace {

HWY_EXPORT(drop_range);
HWY_EXPORT(pass_range);

// The case of rate 0 and f32 alone. The compiler's vectors in plain loops keep
// up with memory.
void pass_floats(const Dropout& op, Range range) {
  float* const y = op.y.data<float>();
  const float* const x = op.x.data<float>();
  if (!op.residual) {
    std::copy(x + range.first, x + range.last, y + range.first);
    return;
  }
  const float* const residual = op.residual.data<float>();
  for (std::int64_t i = range.first; i < range.last; ++i) {
    y[i] = x[i] + residual[i];
  }
}

bool is_f32_alone(const Dropout& op) {
  return op.x.dtype() == DType::kF32 && op.y.dtype() == DType::kF32 &&
         (!op.residual || op.residual.dtype() == DType::kF32);
}

void run_range(const Dropout& op, Range range) {
  if (op.mask.rate > 0) {
    HWY_DYNAMIC_DISPATCH(drop_range)(op, range);
  } else if (is_f32_alone(op)) {
    pass_floats(op, range);
  } else {
    HWY_DYNAMIC_DISPATCH(pass_range)(op, range);
  }
}

}  // namespace

void run(OnCpu, Stream& stream, const Dropout& op) {
  const bool is_there = op.y.bytes() == op.x.bytes() && !op.residual;
  if (op.mask.rate == 0 && is_there) {
    return;
  }
  parallel_ranges(stream,
                  op.x.elements(),
                  kFlat,
                  [&](std::int64_t first, std::int64_t last) {
                    run_range(op, {first, last});
                  });
}

}  // namespace dure::kernels
#endif
