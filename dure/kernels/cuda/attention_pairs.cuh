// Pairs of a query and a key in device code: the operands of attention, the
// score of a pair, its dropout, and its gradient.
//
// Scores are in units of log 2, as exp2 takes them.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "dure/kernels/attention.h"
#include "dure/kernels/attention_check.h"
#include "dure/kernels/cuda/any_floats.cuh"
#include "dure/kernels/cuda/attention_pattern.cuh"
#include "dure/kernels/cuda/dropout_mask.cuh"
#include "dure/kernels/cuda/rows.cuh"

namespace dure::kernels {

// A row of a head of a sample.
struct HeadPlace {
  std::int64_t b;
  std::int64_t head;
  std::int64_t row;
};

// Row n of all of a view, in the order of samples, heads and rows.
__device__ inline HeadPlace place_of(const HeadLayout& at, std::int64_t n) {
  return {.b = n / at.rows / at.heads,
          .head = n / at.rows % at.heads,
          .row = n % at.rows};
}

inline std::int64_t rows_of(const HeadLayout& at) {
  return at.samples * at.heads * at.rows;
}

// Heads as a kernel's argument.
template <typename Element>
struct HeadView {
  Element* data;
  HeadLayout at;
  bool is_packed;  // each row begins on 16 bytes, and is a multiple of them

  __device__ Element* row(const HeadPlace& of) const {
    return data + at.offset(of.b, of.head) + of.row * at.row_step;
  }
};

template <typename Element, typename AnyHeads>
HeadView<Element> view_of(const AnyHeads& heads) {
  const HeadLayout& at = heads.at;
  auto* const data = heads.tensor.template data<std::remove_const_t<Element>>();
  constexpr std::int64_t kPack = kPackOf<Element>;
  const bool is_packed = at.first % kPack == 0 && at.sample_step % kPack == 0 &&
                         at.row_step % kPack == 0 &&
                         at.head_step % kPack == 0 &&
                         at.head_dim % kPack == 0 && are_aligned(data);
  return {.data = data, .at = at, .is_packed = is_packed};
}

// The sum of the products of as many elements, in four chains of every fourth.
// It is the same to the bit whether the rows are packed or not.
template <int kPack, typename Left, typename Element>
__device__ float packed_dot(const Left* x, const Element* y, std::int64_t D) {
  float sums[4] = {};
  for (std::int64_t d = 0; d < D; d += kPack) {
    const Floats<kPack> values = load_pack<kPack>(y + d);
    for (int n = 0; n < kPack; ++n) {
      sums[n % 4] = __fmaf_rn(widened(x[d + n]), values.of[n], sums[n % 4]);
    }
  }
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

template <typename Left, typename Element>
__device__ float loose_dot(const Left* x, const Element* y, std::int64_t D) {
  float sums[4] = {};
  for (std::int64_t d = 0; d < D; d += 4) {
    for (int n = 0; n < 4; ++n) {
      if (d + n < D) {
        sums[n] = __fmaf_rn(widened(x[d + n]), widened(y[d + n]), sums[n]);
      }
    }
  }
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// The product of x with a row of the view. A thread makes all of it.
template <typename Left, typename Element>
__device__ float dot(const Left* x,
                     const HeadView<Element>& view,
                     const HeadPlace& place) {
  using Value = std::remove_const_t<Element>;
  const Value* const y = view.row(place);
  return view.is_packed ? packed_dot<kPackOf<Value>>(x, y, view.at.head_dim)
                        : loose_dot(x, y, view.at.head_dim);
}

// The slopes travel in a kernel's arguments, which have 4 KiB.
inline constexpr std::size_t kMostSlopes = 512;

// Biases as a kernel's argument.
struct DeviceBias {
  std::array<float, kMostSlopes> slopes = {};
  bool has_slopes = false;
  AnyFloats table = {};
  std::int64_t distances = 0;
  std::int64_t zero = 0;

  __device__ std::int64_t column(std::int64_t distance) const {
    return std::clamp<std::int64_t>(distance + zero, 0, distances - 1);
  }
  __device__ float of(std::int64_t head, std::int64_t distance) const {
    float sum = 0;
    if (has_slopes) {
      const auto length =
          static_cast<float>(distance < 0 ? -distance : distance);
      sum -= slopes[static_cast<std::size_t>(head)] * length;
    }
    if (table.data != nullptr) {
      sum += table.load_one(head * distances + column(distance));
    }
    return sum;
  }
};

inline DeviceBias device_bias(const AttentionBias& bias) {
  DURE_CHECK(bias.slopes.size() <= kMostSlopes,
             "attention on a GPU takes the slopes of up to {} heads, not {}",
             kMostSlopes,
             bias.slopes.size());
  DeviceBias to;
  std::ranges::copy(bias.slopes, to.slopes.begin());
  to.has_slopes = !bias.slopes.empty();
  to.table = AnyFloats(bias.table);
  to.distances = bias.table ? bias.table.shape()[1] : 0;
  to.zero = bias.zero;
  return to;
}

// AttentionInputs as a kernel's argument.
template <typename Element>
struct DeviceInputs {
  HeadView<const Element> q;
  HeadView<const Element> k;
  HeadView<const Element> v;
  DevicePattern pattern;
  DeviceBias bias;
  DeviceMask mask;
  float scale;
  float factor;             // scale / log 2
  std::int64_t first_head;  // of all parts
  std::int64_t all_heads;

  __device__ std::int64_t group() const { return q.at.heads / k.at.heads; }
  // The row of key j for a query.
  __device__ HeadPlace key_of(const HeadPlace& query, std::int64_t j) const {
    return {.b = query.b, .head = query.head / group(), .row = j};
  }

  // The score of a pair, of the product of its query and its key.
  __device__ float score(float product,
                         std::int64_t head,
                         std::int64_t distance) const {
    return __fmaf_rn(product,
                     factor,
                     bias.of(head, distance) * std::numbers::log2e_v<float>);
  }

  // 1 / (1 - rate) if the pair stays, else 0.
  __device__ float keep(const HeadPlace& query, std::int64_t j) const {
    if (mask.first_sample == nullptr) {
      return 1;
    }
    const auto number = [](std::int64_t n) {
      return static_cast<std::uint64_t>(n);
    };
    const std::uint64_t sample = mask.first_index() + number(query.b);
    const std::uint64_t head =
        sample * number(all_heads) + number(first_head + query.head);
    const std::uint64_t row = head * number(q.at.rows) + number(query.row);
    const std::uint64_t index = row * number(k.at.rows) + number(j);
    return mask.keeps(philox_word(mask.key, index, 0)) ? mask.scale : 0.0F;
  }
};

template <typename Element>
DeviceInputs<Element> device_inputs(Stream& stream,
                                    const AttentionInputs& in,
                                    const DropoutMask& mask = {}) {
  return {.q = view_of<const Element>(in.q),
          .k = view_of<const Element>(in.k),
          .v = view_of<const Element>(in.v),
          .pattern = device_pattern(stream, in.pattern, in.lengths()),
          .bias = device_bias(in.bias),
          .mask = device_mask(mask),
          .scale = in.scale,
          .factor = in.scale * std::numbers::log2e_v<float>,
          .first_head = in.part * in.q.at.heads,
          .all_heads = in.parts * in.q.at.heads};
}

__device__ inline unsigned own_lane_of_warp() {
  return threadIdx.x % kWarp;
}

// Calls body(c) for the columns of a lane.
template <typename Body>
__device__ void for_columns_of_lane(std::int64_t D, const Body& body) {
  for (std::int64_t c = own_lane_of_warp(); c < D; c += kWarp) {
    body(c);
  }
}

// Calls body(n) for the lanes whose bits are set, in order.
template <typename Body>
__device__ void for_each_lane(unsigned lanes, const Body& body) {
  if (lanes == kAllLanes) {  // a loop of known length
    for (int n = 0; n < static_cast<int>(kWarp); ++n) {
      body(n);
    }
    return;
  }
  for (; lanes != 0; lanes &= lanes - 1) {
    body(__ffs(static_cast<int>(lanes)) - 1);
  }
}

// These are as many rows as a warp has lanes; row n is n steps after the first.
template <typename Element>
struct WarpRows {
  const Element* first;
  std::int64_t step;
};

template <typename Element>
__device__ WarpRows<std::remove_const_t<Element>> rows_from(
    const HeadView<Element>& view, const HeadPlace& first) {
  return {.first = view.row(first), .step = view.at.row_step};
}

// sums = sums * shrink + sum of weights[n] * row n, over the lanes whose bits
// are set. Rows of other lanes are not read.
template <typename Element>
__device__ void add_rows(float* sums,
                         float shrink,
                         const float* weights,
                         unsigned lanes,
                         const WarpRows<Element>& rows,
                         std::int64_t D) {
  for_columns_of_lane(D, [&](std::int64_t c) {
    float sum = sums[c] * shrink;
    for_each_lane(lanes, [&](int n) {
      sum = __fmaf_rn(weights[n], widened(rows.first[n * rows.step + c]), sum);
    });
    sums[c] = sum;
  });
}

template <typename Element>
__device__ void load_row(float* to, const Element* row, std::int64_t D) {
  for_columns_of_lane(D, [&](std::int64_t c) { to[c] = widened(row[c]); });
}

template <typename Element>
__device__ void store_row(Element* row, const float* from, std::int64_t D) {
  for_columns_of_lane(
      D, [&](std::int64_t c) { row[c] = rounded<Element>(from[c]); });
}

__device__ inline void clear_row(float* row, std::int64_t D) {
  for_columns_of_lane(D, [&](std::int64_t c) { row[c] = 0; });
}

// Memory that the warps of a block divide among themselves.
struct SharedFloats {
  float of[1];  // as many as the launch says
};

inline constexpr unsigned kWarpsOfBlock = 4;

// A launch with a warp for each of n rows, and so many floats for each warp.
inline LaunchShape warp_rows_shape(std::int64_t n, std::int64_t floats) {
  return {.grid = static_cast<unsigned>(std::max<std::int64_t>(
              (n + kWarpsOfBlock - 1) / kWarpsOfBlock, 1)),
          .block = kWarpsOfBlock * kWarp,
          .shared_bytes =
              kWarpsOfBlock * static_cast<std::size_t>(floats) * sizeof(float)};
}

__device__ inline float* floats_of_warp(std::int64_t floats) {
  return shared_memory<SharedFloats>().of + threadIdx.x / kWarp * floats;
}

__device__ inline std::int64_t row_of_warp() {
  return std::int64_t{blockIdx.x} * kWarpsOfBlock + threadIdx.x / kWarp;
}

}  // namespace dure::kernels
