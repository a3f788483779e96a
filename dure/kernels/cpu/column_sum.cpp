#include <algorithm>

#include "dure/kernels/cpu/simd_targets.h"
#include "dure/kernels/matmul.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/column_sum.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/parallel.h"
#include "dure/kernels/cpu/vector_loop-inl.h"
#include "dure/tensor/element_type.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// Each column is summed from its first row to its last, so that a result
// depends neither on the threads nor on where a strip begins.
template <typename Element, typename Sum, typename Part>
HWY_INLINE void add_rows(const ColumnSum& op, std::int64_t c, Part part) {
  const auto [N, C] = op.x.dims<2>("x");
  const Element* x = op.x.data<Element>() + c;
  Sum* const y = op.y.data<Sum>() + c;
  Vector sum = op.write == Write::kAdd ? part.load(y) : hn::Zero(Floats());
  for (std::int64_t n = 0; n < N; ++n, x += C) {
    sum = hn::Add(sum, part.load(x));
  }
  part.store(sum, y);
}

// Sums four vectors at once: four lines of a row, in four sums that don't wait
// for one another.
template <typename Element, typename Sum>
HWY_INLINE void add_rows_of_four(const ColumnSum& op, std::int64_t c) {
  const auto [N, C] = op.x.dims<2>("x");
  Sum* const y = op.y.data<Sum>() + c;
  Vector sum[4];
  for (int v = 0; v < 4; ++v) {
    sum[v] = op.write == Write::kAdd ? load_vector(y + v * kLanes)
                                     : hn::Zero(Floats());
  }
  const Element* x = op.x.data<Element>() + c;
  for (std::int64_t n = 0; n < N; ++n, x += C) {
    HWY_UNROLL(4)
    for (int v = 0; v < 4; ++v) {
      sum[v] = hn::Add(sum[v], load_vector(x + v * kLanes));
    }
  }
  for (int v = 0; v < 4; ++v) {
    store_vector(sum[v], y + v * kLanes);
  }
}

template <typename Element, typename Sum>
void sum_strips(const ColumnSum& op, std::int64_t first, std::int64_t last) {
  std::int64_t c = first;
  for (; c + 4 * kLanes <= last; c += 4 * kLanes) {
    add_rows_of_four<Element, Sum>(op, c);
  }
  for_each_vector(c, last, [&](std::int64_t at, auto part) HWY_ATTR {
    add_rows<Element, Sum>(op, at, part);
  });
}

void sum_columns(const ColumnSum& op, std::int64_t first, std::int64_t last) {
  with_one_half_type(
      op.x.dtype(), op.y.dtype(), [&](auto element, auto sum) HWY_ATTR {
        sum_strips<decltype(element), decltype(sum)>(op, first, last);
      });
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {

HWY_EXPORT(sum_columns);

void run(OnCpu, Stream& stream, const ColumnSum& op) {
  const auto [N, C] = op.x.dims<2>("x");
  // Cuts lie between cache lines, so no line is read by two threads.
  parallel_ranges(stream,
                  C,
                  {.unit = 16, .elements_per_item = N},
                  [&](std::int64_t first, std::int64_t last) {
                    HWY_DYNAMIC_DISPATCH(sum_columns)(op, first, last);
                  });
}

}  // namespace dure::kernels
#endif
