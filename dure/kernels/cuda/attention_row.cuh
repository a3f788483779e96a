// A warp goes over keys with one query, as [2, algorithm 1] of attention.h does
// with a block of them.
//
// It takes a chunk of neighbouring keys at once: lane n has the score of key n,
// and then every lane some columns of the sum. Keys that the query does not
// see are neither computed nor read, so that patterns which show the same give
// the same bits.
#pragma once

#include "dure/kernels/cuda/attention_pairs.cuh"

namespace dure::kernels {

inline constexpr std::int64_t kChunk = kWarp;

// The larger number. All lanes get the same, also where some have none: a NaN
// loses.
__device__ inline float warp_largest(float value) {
  for (unsigned step = kWarp / 2; step > 0; step /= 2) {
    value =
        fmaxf(value, __shfl_xor_sync(kAllLanes, value, static_cast<int>(step)));
  }
  return value;
}

// The shared memory of the warp of a query.
struct QueryMemory {
  float* q;  // (D)
  float* y;  // (D)       the sum so far, before division
  float* p;  // (kChunk)  probabilities of a chunk

  __device__ QueryMemory(float* first, std::int64_t D)
      : q(first), y(first + D), p(first + 2 * D) {}
  static constexpr std::int64_t floats(std::int64_t D) {
    return 2 * D + kChunk;
  }
};

struct Softmax {
  float most = -HUGE_VALF;  // the largest score so far
  float total = 0;          // of exp2(score - most), over some of the keys

  // The number to subtract for `most`, which is -inf if no score is known.
  __device__ float base() const { return most == -HUGE_VALF ? 0.0F : most; }
};

// Adds the keys first, first + 1, ... of a chunk to the lane's total and to the
// warp's sum.
template <typename Element>
__device__ void attend_chunk(const DeviceInputs<Element>& in,
                             const SamplePattern& seen,
                             const HeadPlace& query,
                             std::int64_t first,
                             const QueryMemory& memory,
                             Softmax& state) {
  const std::int64_t j = first + own_lane_of_warp();
  const bool sees = seen.sees(query.row, j);
  const unsigned lanes = __ballot_sync(kAllLanes, sees ? 1 : 0);
  if (lanes == 0) {
    return;
  }
  const float score = sees ? in.score(dot(memory.q, in.k, in.key_of(query, j)),
                                      query.head,
                                      seen.position(query.row) - j)
                           : -HUGE_VALF;
  const Softmax before = state;
  state.most = fmaxf(before.most, warp_largest(score));
  const float shrink = exp2f(before.most - state.base());
  const float p = sees ? exp2f(score - state.base()) : 0.0F;
  state.total = before.total * shrink + p;
  memory.p[own_lane_of_warp()] = sees ? p * in.keep(query, j) : 0.0F;
  __syncwarp();
  add_rows(memory.y,
           shrink,
           memory.p,
           lanes,
           rows_from(in.v, in.key_of(query, first)),
           in.q.at.head_dim);
  __syncwarp();  // the next chunk overwrites p
}

// Part `part` of `parts` of the chunks of a query's keys: every parts-th. The
// state is that of the warp.
template <typename Element>
__device__ Softmax attend_keys(const DeviceInputs<Element>& in,
                               const HeadPlace& query,
                               std::int64_t part,
                               std::int64_t parts,
                               const QueryMemory& memory) {
  const std::int64_t D = in.q.at.head_dim;
  load_row(memory.q, in.q.row(query), D);
  clear_row(memory.y, D);
  __syncwarp();
  const SamplePattern seen = in.pattern.sample(query.b);
  const PositionRange keys = seen.keys_of(query.row, 1);
  const std::int64_t least = keys.first / kChunk;
  const std::int64_t own = least + (part + parts - least % parts) % parts;
  Softmax state;
  for (std::int64_t chunk = own; chunk * kChunk < keys.last; chunk += parts) {
    attend_chunk(in, seen, query, chunk * kChunk, memory, state);
  }
  state.total = warp_sum(state.total);
  return state;
}

}  // namespace dure::kernels
