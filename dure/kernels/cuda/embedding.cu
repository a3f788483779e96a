#include "dure/kernels/cuda/fault.cuh"
#include "dure/kernels/cuda/rows.cuh"
#include "dure/kernels/embedding.h"
#include "dure/tensor/element_type.h"

namespace dure::kernels {
namespace {

template <typename Compute, typename Residual>
struct LookUpArguments {
  Residual* y;
  const std::int32_t* ids;
  const Compute* token;
  std::int64_t first_token;
  std::int64_t held_tokens;
  std::int64_t all_tokens;
  const std::int32_t* positions;
  const Compute* position;
  std::int64_t all_positions;
  std::int64_t C;
  DeviceFault* fault;
  const char* ids_name;
  const char* positions_name;
};

template <typename Compute, typename Residual>
__global__ void look_up_kernel(LookUpArguments<Compute, Residual> at) {
  const std::int64_t n = blockIdx.x;
  const std::int64_t id = at.ids[n];
  const std::int64_t place = at.position != nullptr ? at.positions[n] : 0;
  const bool good =
      is_below(at.fault, at.ids_name, id, at.all_tokens, n) &&
      (at.position == nullptr ||
       is_below(at.fault, at.positions_name, place, at.all_positions, n));
  const std::int64_t row = id - at.first_token;
  const bool is_held = row >= 0 && row < at.held_tokens;
  if (!good) {
    return;
  }
  for_my_columns(at.C, [&](std::int64_t c) {
    float sum = is_held ? widened(at.token[row * at.C + c]) : 0.0F;
    if (at.position != nullptr) {
      sum += widened(at.position[place * at.C + c]);
    }
    at.y[n * at.C + c] = rounded<Residual>(sum);
  });
}

template <typename Element, typename Sum>
struct BackwardArguments {
  Sum* d_table;
  const Element* d_y;
  const std::int32_t* indices;
  std::int64_t N;
  std::int64_t C;
  std::int64_t first_row;
  std::int64_t held_rows;
  std::int64_t all_rows;
  DeviceFault* fault;
  const char* name;
};

inline constexpr unsigned kBackwardThreads = 256;

// A block's shared memory: kBackwardThreads neighbouring indices, and its row's
// sums.
struct SharedMatches {
  unsigned lanes[kBackwardThreads / kWarp];
  float sums[1];  // C of them
};

// Sets shared.lanes to those of indices first, first + 1, ... that equal
// `index`. All threads of the
// block call it.
template <typename Element, typename Sum>
__device__ void find_matches(const BackwardArguments<Element, Sum>& at,
                             std::int64_t first,
                             std::int32_t index,
                             SharedMatches& shared) {
  const std::int64_t m = first + threadIdx.x;
  const bool equal = m < at.N && at.indices[m] == index;
  const unsigned lanes = __ballot_sync(kAllLanes, equal ? 1 : 0);
  __syncthreads();  // the last matches have been used
  if (threadIdx.x % kWarp == 0) {
    shared.lanes[threadIdx.x / kWarp] = lanes;
  }
  __syncthreads();
}

// Calls body(m) for the matches, in order.
template <typename Body>
__device__ void for_each_match(const SharedMatches& shared,
                               std::int64_t first,
                               const Body& body) {
  for (unsigned warp = 0; warp < kBackwardThreads / kWarp; ++warp) {
    for (unsigned lanes = shared.lanes[warp]; lanes != 0; lanes &= lanes - 1) {
      const int lane = __ffs(static_cast<int>(lanes)) - 1;
      body(first + warp * kWarp + static_cast<unsigned>(lane));
    }
  }
}

// Whether no index before n equals that of n. All threads of the
// block call it.
template <typename Element, typename Sum>
__device__ bool is_first(const BackwardArguments<Element, Sum>& at,
                         std::int64_t n,
                         SharedMatches& shared) {
  bool result = true;
  for (std::int64_t first = 0; result && first < n; first += kBackwardThreads) {
    find_matches(at, first, at.indices[n], shared);
    for_each_match(
        shared, first, [&](std::int64_t m) { result = result && m >= n; });
  }
  return result;
}

// Block n adds up all rows with the index of row n, in order, if n is the first
// of them: so each row of the table is written by one block.
template <typename Element, typename Sum>
__global__ void backward_kernel(BackwardArguments<Element, Sum> at) {
  auto& shared = shared_memory<SharedMatches>();
  const std::int64_t n = blockIdx.x;
  const std::int32_t index = at.indices[n];
  const std::int64_t row = index - at.first_row;
  if (!is_below(at.fault, at.name, index, at.all_rows, n) || row < 0 ||
      row >= at.held_rows || !is_first(at, n, shared)) {
    return;
  }
  Sum* const to = at.d_table + row * at.C;
  for_my_columns(at.C,
                 [&](std::int64_t c) { shared.sums[c] = widened(to[c]); });
  for (std::int64_t first = n / kBackwardThreads * kBackwardThreads;
       first < at.N;
       first += kBackwardThreads) {
    find_matches(at, first, index, shared);
    for_each_match(shared, first, [&](std::int64_t m) {
      for_my_columns(at.C, [&](std::int64_t c) {
        shared.sums[c] += widened(at.d_y[m * at.C + c]);
      });
    });
  }
  for_my_columns(at.C,
                 [&](std::int64_t c) { to[c] = rounded<Sum>(shared.sums[c]); });
}

}  // namespace

void run(OnCuda, Stream& stream, const Embedding& op) {
  const std::int64_t N = op.y.shape()[0];
  const std::int64_t C = op.y.shape()[1];
  with_type_or_f32(op.token.dtype(), op.y.dtype(), [&](auto c, auto r) {
    using Compute = decltype(c);
    using Residual = decltype(r);
    launch_kernel<look_up_kernel<Compute, Residual>>(
        stream,
        row_shape<WarpNumbers<float>>(N, C),
        LookUpArguments<Compute, Residual>{
            .y = op.y.data<Residual>(),
            .ids = op.ids.data<std::int32_t>(),
            .token = op.token.data<Compute>(),
            .first_token = op.token_rows.first,
            .held_tokens = op.token.shape()[0],
            .all_tokens = op.token_rows.all,
            .positions =
                op.position ? op.positions.data<std::int32_t>() : nullptr,
            .position = op.position ? op.position.data<Compute>() : nullptr,
            .all_positions = op.position ? op.position.shape()[0] : 0,
            .C = C,
            .fault = fault_of(stream),
            .ids_name = "ids",
            .positions_name = "positions"});
  });
}

void run(OnCuda, Stream& stream, const EmbeddingBackward& op) {
  const std::int64_t N = op.d_y.shape()[0];
  const std::int64_t C = op.d_y.shape()[1];
  const std::size_t row_bytes = static_cast<std::size_t>(C) * sizeof(float);
  with_one_half_type(op.d_y.dtype(), op.d_table.dtype(), [&](auto e, auto s) {
    using Element = decltype(e);
    using Sum = decltype(s);
    launch_kernel<backward_kernel<Element, Sum>>(
        stream,
        {.grid = static_cast<unsigned>(N),
         .block = kBackwardThreads,
         .shared_bytes = sizeof(SharedMatches) + row_bytes},
        BackwardArguments<Element, Sum>{
            .d_table = op.d_table.data<Sum>(),
            .d_y = op.d_y.data<Element>(),
            .indices = op.indices.data<std::int32_t>(),
            .N = N,
            .C = C,
            .first_row = op.rows.first,
            .held_rows = op.d_table.shape()[0],
            .all_rows = op.rows.all,
            .fault = fault_of(stream),
            .name = "indices"});
  });
}

}  // namespace dure::kernels
