#include <numbers>

#include "dure/kernels/activation.h"
#include "dure/kernels/cuda/flat.cuh"
#include "dure/tensor/element_type.h"

namespace dure::kernels {
namespace {

struct Sigmoid {
  float value;
  float slope;  // value * (1 - value), without the cancellation
};

// exp(t). From 87 on the sigmoid of -t is below 2^-125.
__device__ float exponential(float t) {
  return expf(t > 87.0F ? 87.0F : t);
}

// The sigmoid of -t.
__device__ Sigmoid sigmoid(float t) {
  const float e = exponential(t);
  const float value = 1 / (1 + e);
  return {value, e * value * value};
}

// tanh(u) = 2 sigmoid(2u) - 1, so gelu(h) = h sigmoid(2u), with
// 2u = kGeluScale (h + kGeluCube h^3).
constexpr double kGeluScale =
    2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
constexpr double kGeluCube = 0.044715;

// -2u
__device__ float gelu_exponent(float h) {
  constexpr auto kLinear = static_cast<float>(-kGeluScale);
  constexpr auto kCubic = static_cast<float>(-kGeluScale * kGeluCube);
  return h * __fmaf_rn(h * h, kCubic, kLinear);
}

__device__ float gelu(float h) {
  return h / (1 + exponential(gelu_exponent(h)));
}

// sigmoid(2u) + h sigmoid'(2u) d(2u)/dh. Past 100 the slope has been 0 or 1 for
// long, and the bound keeps the powers of h finite.
__device__ float gelu_slope(float x) {
  constexpr auto kLinear = static_cast<float>(kGeluScale);
  constexpr auto kSquare = static_cast<float>(3 * kGeluScale * kGeluCube);
  const float h = fabsf(x) > 100 ? copysignf(100, x) : x;
  const Sigmoid s = sigmoid(gelu_exponent(h));
  const float d_2u = __fmaf_rn(h * h, kSquare, kLinear);
  return __fmaf_rn(h * s.slope, d_2u, s.value);
}

template <int kCount, typename Element>
__global__ void gelu_kernel(Element* y, const Element* x, std::int64_t n) {
  for_my_pack<kCount>(n, [&](std::int64_t i, auto count) {
    auto values = load_pack<count()>(x + i);
    for (float& value : values.of) {
      value = gelu(value);
    }
    store_pack<count()>(values, y + i);
  });
}

template <int kCount, typename Element>
__global__ void gelu_backward_kernel(Element* d_x,
                                     const Element* d_y,
                                     const Element* x,
                                     std::int64_t n) {
  for_my_pack<kCount>(n, [&](std::int64_t i, auto count) {
    auto gradient = load_pack<count()>(d_y + i);
    const auto values = load_pack<count()>(x + i);
    for (int c = 0; c < count(); ++c) {
      gradient.of[c] *= gelu_slope(values.of[c]);
    }
    store_pack<count()>(gradient, d_x + i);
  });
}

// The place of element i of (N, F) in (N, 2F), where it is a gate.
__device__ std::int64_t gate_of(std::int64_t i, std::int64_t F) {
  return i / F * 2 * F + i % F;
}

// A pack lies within a row: kCount divides F.
template <int kCount, typename Element>
__global__ void swiglu_kernel(Element* y,
                              const Element* gate_up,
                              std::int64_t n,
                              std::int64_t F) {
  for_my_pack<kCount>(n, [&](std::int64_t i, auto count) {
    const Element* const at = gate_up + gate_of(i, F);
    auto gate = load_pack<count()>(at);
    const auto up = load_pack<count()>(at + F);
    for (int c = 0; c < count(); ++c) {
      const float g = gate.of[c];
      gate.of[c] = g / (1 + exponential(-g)) * up.of[c];
    }
    store_pack<count()>(gate, y + i);
  });
}

template <int kCount, typename Element>
__global__ void swiglu_backward_kernel(Element* d_gate_up,
                                       const Element* d_y,
                                       const Element* gate_up,
                                       std::int64_t n,
                                       std::int64_t F) {
  for_my_pack<kCount>(n, [&](std::int64_t i, auto count) {
    const std::int64_t at = gate_of(i, F);
    auto gate = load_pack<count()>(gate_up + at);
    auto up = load_pack<count()>(gate_up + at + F);
    const auto d = load_pack<count()>(d_y + i);
    for (int c = 0; c < count(); ++c) {
      const float g = gate.of[c];
      const Sigmoid s = sigmoid(-g);
      gate.of[c] = d.of[c] * up.of[c] * __fmaf_rn(g, s.slope, s.value);
      up.of[c] = d.of[c] * (g * s.value);
    }
    store_pack<count()>(gate, d_gate_up + at);
    store_pack<count()>(up, d_gate_up + at + F);
  });
}

// with_pack(), with packs that lie within rows of F elements.
template <typename Launch, typename... Elements>
void with_pack_in_rows(std::int64_t F,
                       const Launch& launch,
                       const Elements*... addresses) {
  if (F % kPackOf<Elements...> == 0) {
    with_pack(launch, addresses...);
  } else {
    launch(Count<1>());
  }
}

}  // namespace

void run(OnCuda, Stream& stream, const Gelu& op) {
  with_float_type(op.y.dtype(), [&](auto element) {
    using Element = decltype(element);
    Element* const y = op.y.data<Element>();
    const Element* const x = op.x.data<Element>();
    with_pack(
        [&](auto count) {
          launch_kernel<gelu_kernel<count(), Element>>(
              stream,
              flat_shape(op.y.elements(), count()),
              y,
              x,
              op.y.elements());
        },
        y,
        x);
  });
}

void run(OnCuda, Stream& stream, const GeluBackward& op) {
  with_float_type(op.d_x.dtype(), [&](auto element) {
    using Element = decltype(element);
    Element* const d_x = op.d_x.data<Element>();
    const Element* const d_y = op.d_y.data<Element>();
    const Element* const x = op.x.data<Element>();
    with_pack(
        [&](auto count) {
          launch_kernel<gelu_backward_kernel<count(), Element>>(
              stream,
              flat_shape(op.x.elements(), count()),
              d_x,
              d_y,
              x,
              op.x.elements());
        },
        d_x,
        d_y,
        x);
  });
}

void run(OnCuda, Stream& stream, const Swiglu& op) {
  const std::int64_t F = op.y.shape()[1];
  with_float_type(op.y.dtype(), [&](auto element) {
    using Element = decltype(element);
    Element* const y = op.y.data<Element>();
    const Element* const gate_up = op.gate_up.data<Element>();
    with_pack_in_rows(
        F,
        [&](auto count) {
          launch_kernel<swiglu_kernel<count(), Element>>(
              stream,
              flat_shape(op.y.elements(), count()),
              y,
              gate_up,
              op.y.elements(),
              F);
        },
        y,
        gate_up);
  });
}

void run(OnCuda, Stream& stream, const SwigluBackward& op) {
  const std::int64_t F = op.d_y.shape()[1];
  with_float_type(op.d_y.dtype(), [&](auto element) {
    using Element = decltype(element);
    Element* const d_gate_up = op.d_gate_up.data<Element>();
    const Element* const d_y = op.d_y.data<Element>();
    const Element* const gate_up = op.gate_up.data<Element>();
    with_pack_in_rows(
        F,
        [&](auto count) {
          launch_kernel<swiglu_backward_kernel<count(), Element>>(
              stream,
              flat_shape(op.d_y.elements(), count()),
              d_gate_up,
              d_y,
              gate_up,
              op.d_y.elements(),
              F);
        },
        d_gate_up,
        d_y,
        gate_up);
  });
}

}  // namespace dure::kernels
