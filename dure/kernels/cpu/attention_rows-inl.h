// Rows of heads in f32, whatever their type in memory: read in place or widened
// into scratch, and rounded from scratch once.
//
// Included once for each target (see Highway's foreach_target.h).
#if defined(DURE_KERNELS_CPU_ATTENTION_ROWS_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef DURE_KERNELS_CPU_ATTENTION_ROWS_INL_H_
#undef DURE_KERNELS_CPU_ATTENTION_ROWS_INL_H_
#else
#define DURE_KERNELS_CPU_ATTENTION_ROWS_INL_H_  // NOLINT(readability-identifier-naming)
#endif

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "dure/kernels/cpu/attention_head.h"
#include "dure/kernels/cpu/vector_loop-inl.h"
#include "dure/tensor/element_type.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// Rows [first, first + count) of one head of one sample.
struct HeadSlice {
  std::int64_t b;
  std::int64_t head;
  std::int64_t first;
  std::int64_t count;
};

template <typename Element>
HeadRows<const Element> rows_of(const ConstHeads& heads, const HeadSlice& at) {
  return head_rows<Element>(heads, at.b, at.head).from(at.first);
}
template <typename Element>
HeadRows<Element> rows_of(const Heads& heads, const HeadSlice& at) {
  return head_rows<Element>(heads, at.b, at.head).from(at.first);
}

template <typename From, typename To>
void convert_rows(HeadRows<To> to,
                  HeadRows<const From> from,
                  std::int64_t rows,
                  std::int64_t columns) {
  for (std::int64_t r = 0; r < rows; ++r) {
    if constexpr (std::is_same_v<From, To>) {
      std::memcpy(to.row(r),
                  from.row(r),
                  static_cast<std::size_t>(columns) * sizeof(To));
    } else {
      convert(from.row(r), columns, to.row(r));
    }
  }
}

inline void load_rows(HeadRows<float> to,
                      const ConstHeads& heads,
                      const HeadSlice& at) {
  with_float_type(heads.tensor.dtype(), [&](auto element) HWY_ATTR {
    convert_rows(
        to, rows_of<decltype(element)>(heads, at), at.count, heads.at.head_dim);
  });
}

inline void save_rows(const Heads& heads,
                      const HeadSlice& at,
                      HeadRows<const float> from) {
  with_float_type(heads.tensor.dtype(), [&](auto element) HWY_ATTR {
    convert_rows(rows_of<decltype(element)>(heads, at),
                 from,
                 at.count,
                 heads.at.head_dim);
  });
}

// The rows where they are, or widened into `scratch` if they have 16 bits.
inline HeadRows<const float> rows_in_f32(const ConstHeads& heads,
                                         const HeadSlice& at,
                                         HeadRows<float> scratch) {
  if (heads.tensor.dtype() == DType::kF32) {
    return rows_of<float>(heads, at);
  }
  load_rows(scratch, heads, at);
  return {scratch.data, scratch.step};
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
