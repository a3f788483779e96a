// Arithmetic on elements of several ranks, on the CPU, by the calling thread.
#pragma once

#include <cstdint>
#include <span>

#include "dure/comm/collective.h"

namespace dure::comm {

// A half-open range of elements.
struct ElementRange {
  std::int64_t first = 0;
  std::int64_t last = 0;

  std::int64_t count() const { return last - first; }
};

// Sets every y to ((x_0 op x_1) op x_2) ..., for the elements in `range` alone.
// Sums and products of bf16 and f16 are made in f32 and rounded once; whole
// numbers wrap. A y may be an x. All tensors have one type and reach to
// range.last; there is at least one x.
// one x.
void reduce_all(std::span<const Tensor> ys,
                std::span<const ConstTensor> xs,
                Reduction reduction,
                ElementRange range);

// y = y op x. Does not take kAverage, which divides once, at the end: reduce by
// kSum, then divide().
void reduce_into(const Tensor& y, const ConstTensor& x, Reduction reduction);

// y = y / by, for floating-point types.
void divide(const Tensor& y, std::int64_t by);

// Converts between f32, bf16 and f16, rounding once; copies equal types.
void convert(const Tensor& y, const ConstTensor& x);

}  // namespace dure::comm
