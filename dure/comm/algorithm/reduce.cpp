#include "dure/comm/algorithm/reduce.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>

#include "dure/base/half.h"
#include "dure/tensor/element_type.h"

namespace dure::comm {
namespace {

// How an element is stored, and the type that it is added up in.
template <typename Element>
struct Arithmetic {
  using Sum = Element;
  static Sum widen(Element value) { return value; }
  static Element narrow(Sum value) { return value; }
};

// Signed overflow is undefined in C++; unsigned numbers wrap.
template <typename Signed, typename Unsigned>
struct WrappingArithmetic {
  using Sum = Signed;
  static Sum widen(Signed value) { return value; }
  static Signed narrow(Sum value) { return value; }
  static Sum add(Sum a, Sum b) {
    return static_cast<Sum>(static_cast<Unsigned>(a) +
                            static_cast<Unsigned>(b));
  }
  static Sum multiply(Sum a, Sum b) {
    return static_cast<Sum>(static_cast<Unsigned>(a) *
                            static_cast<Unsigned>(b));
  }
};
template <>
struct Arithmetic<std::int32_t>
    : WrappingArithmetic<std::int32_t, std::uint32_t> {};
template <>
struct Arithmetic<std::int64_t>
    : WrappingArithmetic<std::int64_t, std::uint64_t> {};
template <>
struct Arithmetic<std::uint16_t>
    : WrappingArithmetic<std::uint16_t, std::uint32_t> {};
template <>
struct Arithmetic<std::uint8_t>
    : WrappingArithmetic<std::uint8_t, std::uint32_t> {};

template <typename Half>
struct HalfArithmetic {
  using Sum = float;
  static Sum widen(Half value) { return to_float(value); }
  static Half narrow(Sum value) { return from_float<Half>(value); }
};
template <>
struct Arithmetic<Bf16> : HalfArithmetic<Bf16> {};
template <>
struct Arithmetic<F16> : HalfArithmetic<F16> {};

// A block of sums stays in the first-level cache.
constexpr std::int64_t kBlock = 1024;

template <typename Element>
class Block {
 public:
  using Math = Arithmetic<Element>;
  using Sum = typename Math::Sum;

  void load(const Element* x, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      sums_[i] = Math::widen(x[i]);
    }
  }

  void combine(const Element* x, std::int64_t count, Reduction reduction) {
    switch (reduction) {
      case Reduction::kSum:
      case Reduction::kAverage:
        return each(x, count, [](Sum a, Sum b) { return add(a, b); });
      case Reduction::kProduct:
        return each(x, count, [](Sum a, Sum b) { return multiply(a, b); });
      case Reduction::kMin:
        return each(x, count, [](Sum a, Sum b) { return b < a ? b : a; });
      case Reduction::kMax:
        return each(x, count, [](Sum a, Sum b) { return b > a ? b : a; });
    }
  }

  void divide(std::int64_t count, std::int64_t by) {
    const auto divisor = static_cast<Sum>(by);
    for (std::int64_t i = 0; i < count; ++i) {
      sums_[i] = static_cast<Sum>(sums_[i] / divisor);
    }
  }

  void store(Element* y, std::int64_t count) const {
    for (std::int64_t i = 0; i < count; ++i) {
      y[i] = Math::narrow(sums_[i]);
    }
  }

 private:
  static Sum add(Sum a, Sum b) {
    if constexpr (std::is_integral_v<Sum>) {
      return Math::add(a, b);
    } else {
      return a + b;
    }
  }

  static Sum multiply(Sum a, Sum b) {
    if constexpr (std::is_integral_v<Sum>) {
      return Math::multiply(a, b);
    } else {
      return a * b;
    }
  }

  template <typename Combine>
  void each(const Element* x, std::int64_t count, const Combine& combine) {
    for (std::int64_t i = 0; i < count; ++i) {
      sums_[i] = combine(sums_[i], Math::widen(x[i]));
    }
  }

  alignas(64) std::array<Sum, kBlock> sums_;
};

template <typename Element>
void reduce_blocks(std::span<const Tensor> ys,
                   std::span<const ConstTensor> xs,
                   Reduction reduction,
                   ElementRange range) {
  Block<Element> block;
  for (std::int64_t at = range.first; at < range.last; at += kBlock) {
    const std::int64_t count = std::min(kBlock, range.last - at);
    block.load(xs[0].data<Element>() + at, count);
    for (const ConstTensor& x : xs.subspan(1)) {
      block.combine(x.data<Element>() + at, count, reduction);
    }
    if (reduction == Reduction::kAverage) {
      block.divide(count, std::ssize(xs));
    }
    for (const Tensor& y : ys) {
      block.store(y.data<Element>() + at, count);
    }
  }
}

template <typename To, typename From>
void convert_elements(To* y, const From* x, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    y[i] = from_float<To>(to_float(x[i]));
  }
}

}  // namespace

void reduce_all(std::span<const Tensor> ys,
                std::span<const ConstTensor> xs,
                Reduction reduction,
                ElementRange range) {
  with_type(xs[0].dtype(), [&](auto element) {
    reduce_blocks<decltype(element)>(ys, xs, reduction, range);
  });
}

void reduce_into(const Tensor& y, const ConstTensor& x, Reduction reduction) {
  const std::array<ConstTensor, 2> xs = {y, x};
  reduce_all({&y, 1}, xs, reduction, {0, y.elements()});
}

void divide(const Tensor& y, std::int64_t by) {
  with_type(y.dtype(), [&](auto element) {
    using Element = decltype(element);
    Block<Element> block;
    for (std::int64_t at = 0; at < y.elements(); at += kBlock) {
      const std::int64_t count = std::min(kBlock, y.elements() - at);
      block.load(y.data<Element>() + at, count);
      block.divide(count, by);
      block.store(y.data<Element>() + at, count);
    }
  });
}

void convert(const Tensor& y, const ConstTensor& x) {
  if (y.dtype() == x.dtype()) {
    if (y.elements() > 0) {
      std::memmove(y.bytes(), x.bytes(), x.size_bytes());
    }
  } else {
    with_float_types(y.dtype(), x.dtype(), [&](auto to, auto from) {
      convert_elements(
          y.data<decltype(to)>(), x.data<decltype(from)>(), y.elements());
    });
  }
}

}  // namespace dure::comm
