#include "dure/kernels/cuda/attention_kernels.h"
#include "dure/kernels/cuda/attention_pairs.cuh"
#include "dure/tensor/element_type.h"

namespace dure::kernels {
namespace {

template <typename Element>
struct BackwardArguments {
  DeviceInputs<Element> in;
  HeadView<const Element> y;
  HeadView<const Element> d_y;
  const float* lse;  // (B Sq, H)
  HeadView<Element> d_q;
  HeadView<Element> d_k;
  HeadView<Element> d_v;
  AnyFloats d_table;

  // In units of log 2. If a query sees no key, +inf makes each probability 0.
  __device__ float lse_of(const HeadPlace& query) const {
    const HeadLayout& q = in.q.at;
    const float total =
        lse[(query.b * q.rows + query.row) * q.heads + query.head];
    return total == -HUGE_VALF ? HUGE_VALF
                               : total * std::numbers::log2e_v<float>;
  }
  // sum_d d_y y, which is sum_j d_p p.
  __device__ float delta_of(const HeadPlace& query) const {
    return dot(y.row(query), d_y, query);
  }
};

// A query of a pair, as far as its probability depends on it.
struct QueryState {
  float lse;
  float delta;
};

// The products of a pair's rows.
struct PairProducts {
  float q_k;
  float d_y_v;
};

struct PairGradient {
  float p = 0;    // with dropout
  float d_s = 0;  // of the score before its scale
};

template <typename Element>
__device__ PairGradient differentiate(const DeviceInputs<Element>& in,
                                      const HeadPlace& query,
                                      std::int64_t j,
                                      std::int64_t distance,
                                      const QueryState& state,
                                      const PairProducts& products) {
  const float score = in.score(products.q_k, query.head, distance);
  const float p = exp2f(score - state.lse);
  const float keep = in.keep(query, j);
  return {.p = p * keep, .d_s = p * (keep * products.d_y_v - state.delta)};
}

// The shared memory of the warp of a query.
struct QueryMemory {
  float* q;    // (D)
  float* d_y;  // (D)
  float* d_q;  // (D)       the sum so far
  float* d_s;  // (kWarp)   of a chunk of keys, scaled

  __device__ QueryMemory(float* first, std::int64_t D)
      : q(first), d_y(first + D), d_q(first + 2 * D), d_s(first + 3 * D) {}
  static constexpr std::int64_t floats(std::int64_t D) { return 3 * D + kWarp; }
};

// Adds the keys first, first + 1, ... of a chunk to the query's gradient. Lane
// n has key n.
template <typename Element>
__device__ void add_keys(const DeviceInputs<Element>& in,
                         const SamplePattern& seen,
                         const HeadPlace& query,
                         const QueryState& state,
                         std::int64_t first,
                         const QueryMemory& memory) {
  const std::int64_t j = first + own_lane_of_warp();
  const bool sees = seen.sees(query.row, j);
  const unsigned lanes = __ballot_sync(kAllLanes, sees ? 1 : 0);
  if (lanes == 0) {
    return;
  }
  PairGradient gradient;
  if (sees) {
    const HeadPlace key = in.key_of(query, j);
    gradient = differentiate(
        in,
        query,
        j,
        seen.position(query.row) - j,
        state,
        {.q_k = dot(memory.q, in.k, key), .d_y_v = dot(memory.d_y, in.v, key)});
  }
  memory.d_s[own_lane_of_warp()] = gradient.d_s * in.scale;
  __syncwarp();
  add_rows(memory.d_q,
           1,
           memory.d_s,
           lanes,
           rows_from(in.k, in.key_of(query, first)),
           in.q.at.head_dim);
  __syncwarp();  // the next chunk overwrites d_s
}

// A warp has a query.
template <typename Element>
__global__ void d_q_kernel(BackwardArguments<Element> at) {
  const HeadLayout& q = at.in.q.at;
  const std::int64_t D = q.head_dim;
  const std::int64_t n = row_of_warp();
  if (n >= q.samples * q.heads * q.rows) {
    return;
  }
  const HeadPlace query = place_of(q, n);
  const QueryMemory memory(floats_of_warp(QueryMemory::floats(D)), D);
  load_row(memory.q, at.in.q.row(query), D);
  load_row(memory.d_y, at.d_y.row(query), D);
  clear_row(memory.d_q, D);
  __syncwarp();
  const QueryState state = {.lse = at.lse_of(query),
                            .delta = at.delta_of(query)};
  const SamplePattern seen = at.in.pattern.sample(query.b);
  const PositionRange keys = seen.keys_of(query.row, 1);
  for (std::int64_t first = keys.first / kWarp * kWarp; first < keys.last;
       first += kWarp) {
    add_keys(at.in, seen, query, state, first, memory);
  }
  store_row(at.d_q.row(query), memory.d_q, D);
}

// The shared memory of the warp of a key.
struct KeyMemory {
  float* k;    // (D)
  float* v;    // (D)
  float* d_k;  // (D)       the sum so far
  float* d_v;  // (D)       likewise
  float* p;    // (kWarp)   of a chunk of queries
  float* d_s;  // (kWarp)   likewise, scaled

  __device__ KeyMemory(float* first, std::int64_t D)
      : k(first),
        v(first + D),
        d_k(first + 2 * D),
        d_v(first + 3 * D),
        p(first + 4 * D),
        d_s(first + 4 * D + kWarp) {}
  static constexpr std::int64_t floats(std::int64_t D) {
    return 4 * D + 2 * kWarp;
  }
};

// Adds queries of a chunk, from `first` on, to the gradients of key j. Lane n
// has query n.
template <typename Element>
__device__ void add_queries(const BackwardArguments<Element>& at,
                            const SamplePattern& seen,
                            const HeadPlace& first,
                            std::int64_t j,
                            const KeyMemory& memory) {
  const DeviceInputs<Element>& in = at.in;
  HeadPlace query = first;
  query.row += own_lane_of_warp();
  const bool sees = query.row < in.q.at.rows && seen.sees(query.row, j);
  const unsigned lanes = __ballot_sync(kAllLanes, sees ? 1 : 0);
  if (lanes == 0) {
    return;
  }
  PairGradient gradient;
  if (sees) {
    gradient =
        differentiate(in,
                      query,
                      j,
                      seen.position(query.row) - j,
                      {.lse = at.lse_of(query), .delta = at.delta_of(query)},
                      {.q_k = dot(memory.k, in.q, query),
                       .d_y_v = dot(memory.v, at.d_y, query)});
  }
  memory.p[own_lane_of_warp()] = gradient.p;
  memory.d_s[own_lane_of_warp()] = gradient.d_s * in.scale;
  __syncwarp();
  const std::int64_t D = in.q.at.head_dim;
  add_rows(memory.d_v, 1, memory.p, lanes, rows_from(at.d_y, first), D);
  add_rows(memory.d_k, 1, memory.d_s, lanes, rows_from(in.q, first), D);
  __syncwarp();  // the next chunk overwrites p and d_s
}

// The queries of one head that may see the key follow in chunks.
template <typename Element>
__device__ void add_head(const BackwardArguments<Element>& at,
                         const SamplePattern& seen,
                         const HeadPlace& key,
                         std::int64_t head,
                         const KeyMemory& memory) {
  for (std::int64_t first = 0; first < at.in.q.at.rows; first += kWarp) {
    const PositionRange keys = seen.keys_of(first, kWarp);
    if (key.row >= keys.first && key.row < keys.last) {
      add_queries(
          at, seen, {.b = key.b, .head = head, .row = first}, key.row, memory);
    }
  }
}

// A warp has a key; the query heads of its group follow in order.
template <typename Element>
__global__ void d_k_kernel(BackwardArguments<Element> at) {
  const HeadLayout& k = at.in.k.at;
  const std::int64_t D = k.head_dim;
  const std::int64_t n = row_of_warp();
  if (n >= k.samples * k.heads * k.rows) {
    return;
  }
  const HeadPlace key = place_of(k, n);
  const KeyMemory memory(floats_of_warp(KeyMemory::floats(D)), D);
  load_row(memory.k, at.in.k.row(key), D);
  load_row(memory.v, at.in.v.row(key), D);
  clear_row(memory.d_k, D);
  clear_row(memory.d_v, D);
  __syncwarp();
  const SamplePattern seen = at.in.pattern.sample(key.b);
  const std::int64_t group = at.in.group();
  for (std::int64_t i = 0; i < group; ++i) {
    add_head(at, seen, key, key.head * group + i, memory);
  }
  store_row(at.d_k.row(key), memory.d_k, D);
  store_row(at.d_v.row(key), memory.d_v, D);
}

inline constexpr unsigned kTableThreads = 256;

// The keys at the distances of a column from a query: one, or at an end all
// beyond it.
__device__ inline PositionRange keys_of_column(const DeviceBias& bias,
                                               std::int64_t position,
                                               std::int64_t column,
                                               const PositionRange& of) {
  const std::int64_t key = position - (column - bias.zero);
  PositionRange keys = {.first = key, .last = key + 1};
  if (column == 0) {
    keys.last = of.last;
  }
  if (column == bias.distances - 1) {
    keys.first = of.first;
  }
  return {.first = std::max(keys.first, of.first),
          .last = std::min(keys.last, of.last)};
}

// The sum of d_s over the keys first, first + step, ... of a column.
template <typename Element>
__device__ float column_of_query(const BackwardArguments<Element>& at,
                                 const HeadPlace& query,
                                 std::int64_t column,
                                 std::int64_t first,
                                 std::int64_t step) {
  const DeviceInputs<Element>& in = at.in;
  const SamplePattern seen = in.pattern.sample(query.b);
  const std::int64_t position = seen.position(query.row);
  const PositionRange keys =
      keys_of_column(in.bias, position, column, seen.keys_of(query.row, 1));
  float sum = 0;
  if (keys.first >= keys.last) {
    return sum;
  }
  const QueryState state = {.lse = at.lse_of(query),
                            .delta = at.delta_of(query)};
  for (std::int64_t j = keys.first + first; j < keys.last; j += step) {
    if (seen.sees(query.row, j)) {
      const HeadPlace key = in.key_of(query, j);
      sum += differentiate(in,
                           query,
                           j,
                           position - j,
                           state,
                           {.q_k = dot(in.q.row(query), in.k, key),
                            .d_y_v = dot(at.d_y.row(query), in.v, key)})
                 .d_s;
    }
  }
  return sum;
}

// A block has a column of a head. Its threads share the queries of all samples;
// at the ends, where a query has many keys, a warp shares these.
template <typename Element>
__global__ void d_table_kernel(BackwardArguments<Element> at) {
  const HeadLayout& q = at.in.q.at;
  const std::int64_t distances = at.in.bias.distances;
  const std::int64_t head = blockIdx.x / distances;
  const std::int64_t column = blockIdx.x % distances;
  const bool is_end = column == 0 || column == distances - 1;
  const unsigned lanes = is_end ? kWarp : 1;
  float sum = 0;
  for (std::int64_t n = threadIdx.x / lanes; n < q.samples * q.rows;
       n += kTableThreads / lanes) {
    const HeadPlace query = {.b = n / q.rows, .head = head, .row = n % q.rows};
    sum += column_of_query(at, query, column, threadIdx.x % lanes, lanes);
  }
  sum = block_sum(sum, shared_memory<WarpNumbers<float>>());
  if (threadIdx.x == 0) {
    at.d_table.store_one(blockIdx.x, at.d_table.load_one(blockIdx.x) + sum);
  }
}

template <typename Element>
void run_of(Stream& stream, const AttentionBackward& op) {
  const HeadLayout& q = op.in.q.at;
  const HeadLayout& k = op.in.k.at;
  const HeadColumns columns = output_columns(q);
  const BackwardArguments<Element> at = {
      .in = device_inputs<Element>(stream, op.in, op.mask),
      .y = view_of<const Element>(heads_of_rows(op.y, columns)),
      .d_y = view_of<const Element>(heads_of_rows(op.d_y, columns)),
      .lse = op.lse.data<float>(),
      .d_q = view_of<Element>(op.d_q),
      .d_k = view_of<Element>(op.d_k),
      .d_v = view_of<Element>(op.d_v),
      .d_table = AnyFloats(op.d_table)};
  launch_kernel<d_q_kernel<Element>>(
      stream, warp_rows_shape(rows_of(q), QueryMemory::floats(q.head_dim)), at);
  launch_kernel<d_k_kernel<Element>>(
      stream, warp_rows_shape(rows_of(k), KeyMemory::floats(k.head_dim)), at);
  if (op.d_table) {
    launch_kernel<d_table_kernel<Element>>(
        stream,
        {.grid = static_cast<unsigned>(op.d_table.elements()),
         .block = kTableThreads,
         .shared_bytes = sizeof(WarpNumbers<float>)},
        at);
  }
}

}  // namespace

void run_by_kernels(Stream& stream, const AttentionBackward& op) {
  with_float_type(op.in.q.tensor.dtype(),
                  [&](auto element) { run_of<decltype(element)>(stream, op); });
}

}  // namespace dure::kernels
