#include <algorithm>
#include <vector>

#include "dure/kernels/cuda/flat.cuh"
#include "dure/kernels/elementwise.h"
#include "dure/tensor/element_type.h"

namespace dure::kernels {
namespace {

template <typename Element>
__global__ void fill_kernel(Element* y, Element value, std::int64_t n) {
  if (const std::int64_t i = flat_index(); i < n) {
    y[i] = value;
  }
}

template <int kCount, typename From, typename To>
__global__ void cast_kernel(To* y, const From* x, std::int64_t n) {
  for_my_pack<kCount>(n, [&](std::int64_t i, auto count) {
    store_pack<count()>(load_pack<count()>(x + i), y + i);
  });
}

template <int kCount, typename Element, typename Summand>
__global__ void add_kernel(Element* y,
                           const Element* a,
                           const Summand* b,
                           std::int64_t n) {
  for_my_pack<kCount>(n, [&](std::int64_t i, auto count) {
    auto sum = load_pack<count()>(a + i);
    const auto summand = load_pack<count()>(b + i);
    for (int c = 0; c < count(); ++c) {
      sum.of[c] += summand.of[c];
    }
    store_pack<count()>(sum, y + i);
  });
}

}  // namespace

void run(OnCuda, Stream& stream, const Fill& op) {
  with_float_type(op.y.dtype(), [&](auto element) {
    using Element = decltype(element);
    launch_kernel<fill_kernel<Element>>(stream,
                                        flat_shape(op.y.elements()),
                                        op.y.data<Element>(),
                                        from_float<Element>(op.value),
                                        op.y.elements());
  });
}

void run(OnCuda, Stream& stream, const Copy& op) {
  if (op.x.dtype() == op.y.dtype()) {
    DURE_CUDA(cudaMemcpyAsync(op.y.bytes(),
                              op.x.bytes(),
                              op.x.size_bytes(),
                              cudaMemcpyDeviceToDevice,
                              stream_of(stream)));
    return;
  }
  with_float_types(op.x.dtype(), op.y.dtype(), [&](auto from, auto to) {
    using From = decltype(from);
    using To = decltype(to);
    const From* const x = op.x.data<From>();
    To* const y = op.y.data<To>();
    with_pack(
        [&](auto count) {
          launch_kernel<cast_kernel<count(), From, To>>(
              stream,
              flat_shape(op.y.elements(), count()),
              y,
              x,
              op.y.elements());
        },
        x,
        y);
  });
}

void run(OnCuda, Stream& stream, const Add& op) {
  with_one_half_type(op.y.dtype(), op.b.dtype(), [&](auto e, auto s) {
    using Element = decltype(e);
    using Summand = decltype(s);
    Element* const y = op.y.data<Element>();
    const Element* const a = op.a.data<Element>();
    const Summand* const b = op.b.data<Summand>();
    with_pack(
        [&](auto count) {
          launch_kernel<add_kernel<count(), Element, Summand>>(
              stream,
              flat_shape(op.y.elements(), count()),
              y,
              a,
              b,
              op.y.elements());
        },
        y,
        a,
        b);
  });
}

// The numbers are drawn on the host, so that they are the CPU's to the bit.
// They are drawn once in a run.
void run(OnCuda, Stream& stream, const FillNormal& op) {
  std::vector<std::byte> host(op.y.size_bytes());
  FillNormal on_host = op;
  on_host.y = Tensor(host.data(), op.y.shape(), op.y.dtype());
  run(OnCpu(), stream, on_host);
  DURE_CUDA(cudaMemcpyAsync(op.y.bytes(),
                            host.data(),
                            host.size(),
                            cudaMemcpyHostToDevice,
                            stream_of(stream)));
}

}  // namespace dure::kernels
