#include "dure/kernels/cached_attention.h"
#include "dure/kernels/cuda/attention_row.cuh"
#include "dure/tensor/element_type.h"

namespace dure::kernels {
namespace {

// There are few queries, so that as many warps share the keys of one.
inline constexpr unsigned kWarpsOfQuery = 8;

struct SharedQuery {
  Softmax states[kWarpsOfQuery];
  float memory[1];  // QueryMemory::floats() for each warp
};

// The sum of the warps' numbers, each relative to its own largest score.
template <typename NumberOf>
__device__ float joined(const SharedQuery& shared,
                        float base,
                        const NumberOf& number_of) {
  float sum = 0;
  for (unsigned w = 0; w < kWarpsOfQuery; ++w) {
    sum = __fmaf_rn(number_of(w), exp2f(shared.states[w].most - base), sum);
  }
  return sum;
}

// Writes y from what the warps have found. All threads of the
// block call it.
template <typename Element>
__device__ void join_warps(const SharedQuery& shared,
                           std::int64_t D,
                           Element* y) {
  Softmax all;
  for (const Softmax& state : shared.states) {
    all.most = fmaxf(all.most, state.most);
  }
  const float base = all.base();
  const float total =
      joined(shared, base, [&](unsigned w) { return shared.states[w].total; });
  for_my_columns(D, [&](std::int64_t c) {
    const float sum = joined(shared, base, [&](unsigned w) {
      return shared.memory[w * QueryMemory::floats(D) + D + c];
    });
    y[c] = rounded<Element>(total == 0 ? 0.0F : sum / total);
  });
}

// A block has a query.
template <typename Element>
__global__ void cached_kernel(DeviceInputs<Element> in, HeadView<Element> y) {
  auto& shared = shared_memory<SharedQuery>();
  const std::int64_t D = in.q.at.head_dim;
  const HeadPlace query = place_of(in.q.at, blockIdx.x);
  const unsigned warp = threadIdx.x / kWarp;
  const QueryMemory memory(shared.memory + warp * QueryMemory::floats(D), D);
  const Softmax state = attend_keys(in, query, warp, kWarpsOfQuery, memory);
  if (own_lane_of_warp() == 0) {
    shared.states[warp] = state;
  }
  __syncthreads();
  join_warps(shared, D, y.row(query));
}

template <typename Element>
struct AppendArguments {
  Element* k_cache;  // (B, G, S, D)
  Element* v_cache;
  HeadView<const Element> k;
  HeadView<const Element> v;
  const std::int32_t* lengths;
  std::int64_t positions;  // S
  DeviceFault* fault;
  const char* name;
};

// A thread has an element of a new row.
template <typename Element>
__global__ void append_kernel(AppendArguments<Element> at) {
  const HeadLayout& k = at.k.at;
  const std::int64_t n = flat_index();
  if (n >= k.samples * k.heads * k.rows * k.head_dim) {
    return;
  }
  const HeadPlace row = place_of(k, n / k.head_dim);
  const std::int64_t c = n % k.head_dim;
  const std::int64_t length = at.lengths[row.b];
  const std::int64_t lengths = at.positions - k.rows + 1;
  if (!is_below(at.fault, at.name, length, lengths, row.b)) {
    return;
  }
  const std::int64_t head = row.b * k.heads + row.head;
  const std::int64_t to =
      (head * at.positions + length + row.row) * k.head_dim + c;
  at.k_cache[to] = at.k.row(row)[c];
  at.v_cache[to] = at.v.row(row)[c];
}

}  // namespace

void run(OnCuda, Stream& stream, const CachedAttention& op) {
  const HeadLayout& q = op.in.q.at;
  const std::int64_t queries = rows_of(q);
  if (queries == 0) {
    return;
  }
  const auto floats =
      static_cast<std::size_t>(kWarpsOfQuery * QueryMemory::floats(q.head_dim));
  with_float_type(op.in.q.tensor.dtype(), [&](auto element) {
    using Element = decltype(element);
    launch_kernel<cached_kernel<Element>>(
        stream,
        {.grid = static_cast<unsigned>(queries),
         .block = kWarpsOfQuery * kWarp,
         .shared_bytes = sizeof(SharedQuery) + floats * sizeof(float)},
        device_inputs<Element>(stream, op.in),
        view_of<Element>(heads_of_rows(op.y, output_columns(q))));
  });
}

void run(OnCuda, Stream& stream, const CacheAppend& op) {
  with_float_type(op.k_cache.dtype(), [&](auto element) {
    using Element = decltype(element);
    launch_kernel<append_kernel<Element>>(
        stream,
        flat_shape(op.k.at.elements()),
        AppendArguments<Element>{.k_cache = op.k_cache.data<Element>(),
                                 .v_cache = op.v_cache.data<Element>(),
                                 .k = view_of<const Element>(op.k),
                                 .v = view_of<const Element>(op.v),
                                 .lengths = op.lengths.data<std::int32_t>(),
                                 .positions = op.k_cache.shape()[2],
                                 .fault = fault_of(stream),
                                 .name = "lengths"});
  });
}

}  // namespace dure::kernels
