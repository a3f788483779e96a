// Arithmetic on the elements that ranks bring together. On the CPU, by the
// thread that calls.
#pragma once

#include <cstdint>
#include <span>

#include "dure/comm/collective.h"

namespace dure::comm {

// Half-open.
struct ElementRange {
  std::int64_t first = 0;
  std::int64_t last = 0;

  std::int64_t count() const { return last - first; }
};

// Every y = ((x_0 op x_1) op x_2) ...: sums and products of bf16 and f16 in
// f32, rounded once; whole numbers wrap. Of the elements in `range` alone. A y
// may be an x. All tensors are of one type and reach to range.last; at least
// one x.
void reduce_all(std::span<const Tensor> ys,
                std::span<const ConstTensor> xs,
                Reduction reduction,
                ElementRange range);

// y = y op x. Not of kAverage, which divides once, at the end: reduce by kSum,
// then divide().
void reduce_into(const Tensor& y, const ConstTensor& x, Reduction reduction);

// y = y / by, of floating-point types.
void divide(const Tensor& y, std::int64_t by);

// Between f32, bf16 and f16, rounded once, or a copy.
void convert(const Tensor& y, const ConstTensor& x);

}  // namespace dure::comm
