#include "dure/kernels/cuda/attention_kernels.h"
#include "dure/kernels/cuda/attention_row.cuh"
#include "dure/tensor/element_type.h"

namespace dure::kernels {
namespace {

template <typename Element>
struct ForwardArguments {
  DeviceInputs<Element> in;
  HeadView<Element> y;
  float* lse;  // (B Sq, H)
};

// A warp has a query. A query that sees no key has total 0, and zeros in y.
template <typename Element>
__global__ void attention_kernel(ForwardArguments<Element> at) {
  const HeadLayout& q = at.in.q.at;
  const std::int64_t n = row_of_warp();
  if (n >= q.samples * q.heads * q.rows) {
    return;
  }
  const HeadPlace query = place_of(q, n);
  const QueryMemory memory(floats_of_warp(QueryMemory::floats(q.head_dim)),
                           q.head_dim);
  const Softmax state = attend_keys(at.in, query, 0, 1, memory);
  Element* const y = at.y.row(query);
  for_columns_of_lane(q.head_dim, [&](std::int64_t c) {
    y[c] =
        rounded<Element>(state.total == 0 ? 0.0F : memory.y[c] / state.total);
  });
  if (own_lane_of_warp() == 0) {
    at.lse[(query.b * q.rows + query.row) * q.heads + query.head] =
        __fmaf_rn(state.most, std::numbers::ln2_v<float>, logf(state.total));
  }
}

}  // namespace

void run_by_kernels(Stream& stream, const Attention& op) {
  const HeadLayout& q = op.in.q.at;
  with_float_type(op.in.q.tensor.dtype(), [&](auto element) {
    using Element = decltype(element);
    launch_kernel<attention_kernel<Element>>(
        stream,
        warp_rows_shape(rows_of(q), QueryMemory::floats(q.head_dim)),
        ForwardArguments<Element>{
            .in = device_inputs<Element>(stream, op.in, op.mask),
            .y = view_of<Element>(heads_of_rows(op.y, output_columns(q))),
            .lse = op.lse.data<float>()});
  });
}

}  // namespace dure::kernels
