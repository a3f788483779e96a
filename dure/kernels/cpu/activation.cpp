#include "dure/kernels/activation.h"

#include <numbers>

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/activation.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/parallel.h"
#include "dure/kernels/cpu/vector_loop-inl.h"
#include "dure/tensor/element_type.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// 1 / (1 + exp(-z)) and its derivative, for t = -z * log2(e).
struct Sigmoid {
  Vector value;
  Vector slope;  // value * (1 - value), without the cancellation
};

// exp2 takes 126 at most; from there on the sigmoid is below 2^-125.
HWY_INLINE Vector exponential(Vector t) {
  const Vector most = broadcast(126);
  return exp2(hn::IfThenElse(hn::Gt(t, most), most, t));
}

HWY_INLINE Sigmoid sigmoid(Vector t) {
  const Vector e = exponential(t);
  const Vector one = broadcast(1);
  const Vector value = hn::Div(one, hn::Add(one, e));
  return {value, hn::Mul(hn::Mul(e, value), value)};
}

// tanh(u) = 2 sigmoid(2u) - 1, so gelu(h) = h sigmoid(2u), with
// 2u = kGeluScale (h + kGeluCube h^3).
inline constexpr double kGeluScale =
    2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
inline constexpr double kGeluCube = 0.044715;

// -2u log2(e), from h and h^2.
HWY_INLINE Vector gelu_exponent(Vector h, Vector h_squared) {
  constexpr double kScale = -kGeluScale * std::numbers::log2e;
  const Vector linear = broadcast(static_cast<float>(kScale));
  const Vector cubic = broadcast(static_cast<float>(kScale * kGeluCube));
  return hn::Mul(h, hn::MulAdd(h_squared, cubic, linear));
}

HWY_INLINE Vector gelu(Vector h) {
  const Vector e = exponential(gelu_exponent(h, hn::Mul(h, h)));
  return hn::Div(h, hn::Add(broadcast(1), e));
}

// sigmoid(2u) + h sigmoid'(2u) d(2u)/dh. Past 100 the slope has been 0 or 1 for
// long, and the bound keeps the powers of h finite.
HWY_INLINE Vector gelu_slope(Vector x) {
  const Vector most = broadcast(100);
  const Vector h =
      hn::IfThenElse(hn::Gt(hn::Abs(x), most), hn::CopySign(most, x), x);
  const Vector square = hn::Mul(h, h);
  const Sigmoid s = sigmoid(gelu_exponent(h, square));
  const Vector d_2u =
      hn::MulAdd(square,
                 broadcast(static_cast<float>(3 * kGeluScale * kGeluCube)),
                 broadcast(static_cast<float>(kGeluScale)));
  return hn::MulAdd(hn::Mul(h, s.slope), d_2u, s.value);
}

template <typename Element>
void gelu_elements(const Gelu& op, std::int64_t first, std::int64_t last) {
  const Element* const x = op.x.data<Element>();
  Element* const y = op.y.data<Element>();
  for_each_vector(first, last, [&](std::int64_t i, auto part) HWY_ATTR {
    part.store(gelu(part.load(x + i)), y + i);
  });
}

template <typename Element>
void gelu_backward_elements(const GeluBackward& op,
                            std::int64_t first,
                            std::int64_t last) {
  const Element* const x = op.x.data<Element>();
  const Element* const d_y = op.d_y.data<Element>();
  Element* const d_x = op.d_x.data<Element>();
  for_each_vector(first, last, [&](std::int64_t i, auto part) HWY_ATTR {
    const Vector slope = gelu_slope(part.load(x + i));
    part.store(hn::Mul(part.load(d_y + i), slope), d_x + i);
  });
}

HWY_INLINE Vector minus_log2e() {
  return broadcast(-std::numbers::log2e_v<float>);
}

template <typename Element>
void swiglu_elements(const Swiglu& op, std::int64_t first, std::int64_t last) {
  const std::int64_t F = op.y.shape()[1];
  for (std::int64_t n = first; n < last; ++n) {
    const Element* const gate = op.gate_up.data<Element>() + 2 * F * n;
    const Element* const up = gate + F;
    Element* const y = op.y.data<Element>() + F * n;
    for_each_vector(0, F, [&](std::int64_t c, auto part) HWY_ATTR {
      const Vector g = part.load(gate + c);
      const Vector e = exponential(hn::Mul(g, minus_log2e()));
      const Vector silu = hn::Div(g, hn::Add(broadcast(1), e));
      part.store(hn::Mul(silu, part.load(up + c)), y + c);
    });
  }
}

template <typename Element>
void swiglu_backward_elements(const SwigluBackward& op,
                              std::int64_t first,
                              std::int64_t last) {
  const std::int64_t F = op.d_y.shape()[1];
  for (std::int64_t n = first; n < last; ++n) {
    const Element* const gate = op.gate_up.data<Element>() + 2 * F * n;
    const Element* const up = gate + F;
    const Element* const d_y = op.d_y.data<Element>() + F * n;
    Element* const d_gate = op.d_gate_up.data<Element>() + 2 * F * n;
    Element* const d_up = d_gate + F;
    for_each_vector(0, F, [&](std::int64_t c, auto part) HWY_ATTR {
      const Vector g = part.load(gate + c);
      const Vector u = part.load(up + c);
      const Vector d = part.load(d_y + c);
      const Sigmoid s = sigmoid(hn::Mul(g, minus_log2e()));
      const Vector slope = hn::MulAdd(g, s.slope, s.value);
      part.store(hn::Mul(hn::Mul(d, u), slope), d_gate + c);
      part.store(hn::Mul(d, hn::Mul(g, s.value)), d_up + c);
    });
  }
}

void gelu_range(const Gelu& op, std::int64_t first, std::int64_t last) {
  with_float_type(op.y.dtype(), [&](auto element) HWY_ATTR {
    gelu_elements<decltype(element)>(op, first, last);
  });
}

void gelu_backward_range(const GeluBackward& op,
                         std::int64_t first,
                         std::int64_t last) {
  with_float_type(op.d_x.dtype(), [&](auto element) HWY_ATTR {
    gelu_backward_elements<decltype(element)>(op, first, last);
  });
}

void swiglu_rows(const Swiglu& op, std::int64_t first, std::int64_t last) {
  with_float_type(op.y.dtype(), [&](auto element) HWY_ATTR {
    swiglu_elements<decltype(element)>(op, first, last);
  });
}

void swiglu_backward_rows(const SwigluBackward& op,
                          std::int64_t first,
                          std::int64_t last) {
  with_float_type(op.d_y.dtype(), [&](auto element) HWY_ATTR {
    swiglu_backward_elements<decltype(element)>(op, first, last);
  });
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {
namespace {

HWY_EXPORT(gelu_range);
HWY_EXPORT(gelu_backward_range);
HWY_EXPORT(swiglu_rows);
HWY_EXPORT(swiglu_backward_rows);

}  // namespace

void run(OnCpu, Stream& stream, const Gelu& op) {
  parallel_ranges(stream,
                  op.x.elements(),
                  kFlat,
                  [&](std::int64_t first, std::int64_t last) {
                    HWY_DYNAMIC_DISPATCH(gelu_range)(op, first, last);
                  });
}

void run(OnCpu, Stream& stream, const GeluBackward& op) {
  parallel_ranges(stream,
                  op.x.elements(),
                  kFlat,
                  [&](std::int64_t first, std::int64_t last) {
                    HWY_DYNAMIC_DISPATCH(gelu_backward_range)(op, first, last);
                  });
}

void run(OnCpu, Stream& stream, const Swiglu& op) {
  const auto [N, F] = op.y.dims<2>("y");
  parallel_ranges(stream,
                  N,
                  {.elements_per_item = F},
                  [&](std::int64_t first, std::int64_t last) {
                    HWY_DYNAMIC_DISPATCH(swiglu_rows)(op, first, last);
                  });
}

void run(OnCpu, Stream& stream, const SwigluBackward& op) {
  const auto [N, F] = op.d_y.dims<2>("d_y");
  parallel_ranges(stream,
                  N,
                  {.elements_per_item = F},
                  [&](std::int64_t first, std::int64_t last) {
                    HWY_DYNAMIC_DISPATCH(swiglu_backward_rows)(op, first, last);
                  });
}

}  // namespace dure::kernels
#endif
