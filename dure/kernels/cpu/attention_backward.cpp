#include <algorithm>
#include <numbers>
#include <span>
#include <type_traits>

#include "dure/kernels/attention.h"
#include "dure/kernels/cpu/attention_head.h"
#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/attention_backward.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/attention_bias-inl.h"
#include "dure/kernels/cpu/attention_keep-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// A key head with the current block of queries [2, algorithm 2]. W is
// padded(D).
struct BackwardState {
  float* k;      // (Sk, D)
  float* v;      // (Sk, D)
  float* d_k;    // (Sk, W)   the sum over the group's query heads so far
  float* d_v;    // (Sk, W)   likewise
  float* q_t;    // (D, block)
  float* d_y_t;  // (D, block)
  float* d_q_t;  // (D, block)
  float* q;      // (block, W)   d_q at the end, if that has 16 bits
  float* d_y;    // (block, W)
  float* p;      // (block, block)   scores, then probabilities
  float* d_s;    // (block, block)   d_p, then d_s
  float* keep;   // (block, block)   dropout
  float* lse;    // (block)   in units of log 2
  float* delta;  // (block)   sum_d d_y y, which is sum_j d_p p
};

inline BackwardState cut_backward(const HeadLayout& k, float* scratch) {
  constexpr std::int64_t kSquare = kAttentionBlock * kAttentionBlock;
  const std::int64_t turned = k.head_dim * kAttentionBlock;
  const std::int64_t straight = padded(k.head_dim) * kAttentionBlock;
  ScratchCutter cut(scratch);
  return {.k = cut.take(k.rows * k.head_dim),
          .v = cut.take(k.rows * k.head_dim),
          .d_k = cut.take(k.rows * padded(k.head_dim)),
          .d_v = cut.take(k.rows * padded(k.head_dim)),
          .q_t = cut.take(turned),
          .d_y_t = cut.take(turned),
          .d_q_t = cut.take(turned),
          .q = cut.take(straight),
          .d_y = cut.take(straight),
          .p = cut.take(kSquare),
          .d_s = cut.take(kSquare),
          .keep = cut.take(kSquare),
          .lse = cut.take(kAttentionBlock),
          .delta = cut.take(kAttentionBlock)};
}

// Columns v of p and d_s, from scores and d_p:
//
//   p   = exp2(s * factor - lse)
//   d_s = p * (keep * d_p - delta) * scale,  then  p = keep * p
inline void differentiate_column(const AttentionBackward& op,
                                 const BackwardState& at,
                                 const Block& block,
                                 std::int64_t v) {
  const Floats d;
  const float scale_of_scores = op.in.scale;
  const Vector scale = hn::Set(d, scale_of_scores);
  const Vector factor =
      hn::Set(d, scale_of_scores * std::numbers::log2e_v<float>);
  const Vector lse = hn::LoadU(d, at.lse + v * kLanes);
  const Vector delta = hn::LoadU(d, at.delta + v * kLanes);
  for (std::int64_t j = 0; j < block.seen_by(v); ++j) {
    const std::int64_t place = j * kAttentionBlock + v * kLanes;
    Vector p = exp2(hn::MulSub(hn::LoadU(d, at.p + place), factor, lse));
    Vector d_p = hn::LoadU(d, at.d_s + place);
    const Vector scaled = hn::Mul(p, scale);
    if (op.mask.rate > 0) {
      const Vector keep = hn::LoadU(d, at.keep + place);
      d_p = hn::Mul(d_p, keep);
      p = hn::Mul(p, keep);
    }
    hn::StoreU(p, d, at.p + place);
    hn::StoreU(hn::Mul(scaled, hn::Sub(d_p, delta)), d, at.d_s + place);
  }
}

// Writes zeros where the tiles of multiply_to_keys reach above the diagonal,
// beyond what differentiate_column wrote.
inline void clear_unseen(float* matrix, const Block& block, std::int64_t v) {
  for (std::int64_t j = block.seen_by(v); j < block.keys; ++j) {
    std::fill_n(matrix + j * kAttentionBlock + v * kLanes, kLanes, 0.0F);
  }
}

inline void backward_block(const AttentionBackward& op,
                           const HeadTask& task,
                           const BackwardState& at,
                           const Block& block) {
  const std::int64_t D = op.in.q.at.head_dim;
  const std::int64_t first = block.first_key * D;
  const std::int64_t first_padded = block.first_key * padded(D);
  if (op.mask.rate > 0) {
    fill_keep(at.keep, at.p, op.in, op.mask, task, block);
  }
  multiply_scores(at.p, at.k + first, at.q_t, D, block);
  add_bias(at.p, op.in, task, block);
  mask_scores(at.p, task.seen, block);
  multiply_scores(at.d_s, at.v + first, at.d_y_t, D, block);
  for (std::int64_t v = 0; v < block.vectors(); ++v) {
    differentiate_column(op, at, block, v);
    clear_unseen(at.p, block, v);
    clear_unseen(at.d_s, block, v);
  }
  multiply_to_keys(at.d_v + first_padded, at.p, at.d_y, D, block);
  multiply_to_keys(at.d_k + first_padded, at.d_s, at.q, D, block);
  multiply_to_queries(at.d_q_t, at.k + first, at.d_s, D, block);
  if (op.d_table) {
    const std::int64_t row = task.head % heads_of_group(op.in);
    float* const d_row = task.d_table + row * op.d_table.shape()[1];
    add_bias_gradient(d_row, at.d_s, op, task, block);
  }
}

// If a query sees no key, an lse of +inf makes each p 0.
inline void load_queries(const AttentionBackward& op,
                         const HeadTask& task,
                         const BackwardState& at,
                         const Block& block) {
  const HeadLayout& layout = op.in.q.at;
  const std::int64_t D = layout.head_dim;
  const HeadColumns columns = output_columns(layout);
  const HeadSlice slice = slice_of(task, block);
  load_rows({at.q, padded(D)}, op.in.q, slice);
  load_rows({at.d_y, padded(D)}, heads_of_rows(op.d_y, columns), slice);
  turn_rows(at.q_t, {at.q, padded(D)}, block.queries, D);
  turn_rows(at.d_y_t, {at.d_y, padded(D)}, block.queries, D);
  const HeadRows<const float> y = rows_in_f32(  // d_q_t is not yet in use
      heads_of_rows(op.y, columns),
      slice,
      {at.d_q_t, D});
  const float* lse = op.lse.data<float>() +
                     (task.b * layout.rows + block.first_query) * layout.heads +
                     task.head;
  std::fill_n(at.lse, kAttentionBlock, 0.0F);
  std::fill_n(at.delta, kAttentionBlock, 0.0F);
  for (std::int64_t i = 0; i < block.queries; ++i) {
    const float total = lse[i * layout.heads];
    at.lse[i] =
        total == -HUGE_VALF ? HUGE_VALF : total * std::numbers::log2e_v<float>;
    at.delta[i] = dot(y.row(i), at.d_y + i * padded(D), D);
  }
}

inline void backward_queries(const AttentionBackward& op,
                             const HeadTask& task,
                             const BackwardState& at,
                             const Block& rows) {
  const std::int64_t D = op.in.q.at.head_dim;
  load_queries(op, task, at, rows);
  const bool sees =
      for_each_key_block(task.seen, rows, [&](const Block& block) {
        backward_block(op, task, at, block);
      });
  if (!sees) {
    std::fill_n(at.d_q_t, D * kAttentionBlock, 0.0F);
  }
  save_turned_rows(op.d_q, slice_of(task, rows), at.d_q_t, {at.q, padded(D)});
}

inline void load_keys(const AttentionBackward& op,
                      const HeadTask& task,
                      const BackwardState& at) {
  const HeadLayout& k = op.in.k.at;
  const std::int64_t D = k.head_dim;
  const std::int64_t W = padded(D);
  const HeadSlice keys = {
      .b = task.b, .head = task.head, .first = 0, .count = task.seen.keys()};
  load_rows({at.k, D}, op.in.k, keys);
  load_rows({at.v, D}, op.in.v, keys);
  std::fill_n(at.d_k, k.rows * W, 0.0F);
  std::fill_n(at.d_v, k.rows * W, 0.0F);
  // The padding of the rows stays 0.
  std::fill_n(at.q, kAttentionBlock * W, 0.0F);
  std::fill_n(at.d_y, kAttentionBlock * W, 0.0F);
}

// task.head is the key head; the query heads of its group follow in order.
void backward_key_head(const AttentionBackward& op, const HeadTask& task) {
  const HeadLayout& k = op.in.k.at;
  const BackwardState at = cut_backward(k, task.scratch);
  load_keys(op, task, at);
  const std::int64_t group = heads_of_group(op.in);
  const std::int64_t rows = op.in.q.at.rows;
  HeadTask query_head = task;
  for (std::int64_t i = 0; i < group; ++i) {
    query_head.head = task.head * group + i;
    for (std::int64_t first = 0; first < rows; first += kAttentionBlock) {
      backward_queries(op,
                       query_head,
                       at,
                       {.first_query = first,
                        .queries = std::min(kAttentionBlock, rows - first)});
    }
  }
  const HeadSlice keys = {
      .b = task.b, .head = task.head, .first = 0, .count = k.rows};
  save_rows(op.d_k, keys, {at.d_k, padded(k.head_dim)});
  save_rows(op.d_v, keys, {at.d_v, padded(k.head_dim)});
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {

HWY_EXPORT(backward_key_head);

namespace {

// The rows of d_table for the query heads of a key head.
template <typename Element>
std::span<Element> table_rows(const AttentionBackward& op, std::int64_t head) {
  const std::int64_t elements = table_elements_of_group(op.in);
  return {op.d_table.data<Element>() + head * elements,
          static_cast<std::size_t>(elements)};
}

// Calls body(sums) with the rows of d_table in f32: in place, or in `scratch`
// if they have 16 bits; then the sums are rounded once.
template <typename Body>
void with_table_sums(const AttentionBackward& op,
                     std::int64_t head,
                     float* scratch,
                     const Body& body) {
  with_float_type(op.d_table.dtype(), [&](auto element) {
    using Element = decltype(element);
    const std::span<Element> rows = table_rows<Element>(op, head);
    if constexpr (std::is_same_v<Element, float>) {
      body(rows.data());
    } else {
      std::transform(rows.begin(), rows.end(), scratch, [](Element value) {
        return to_float(value);
      });
      body(scratch);
      std::transform(
          scratch, scratch + rows.size(), rows.begin(), from_float<Element>);
    }
  });
}

}  // namespace

// The gradient of a table sums over the samples, so these follow in order.
void run(OnCpu, Stream& stream, const AttentionBackward& op) {
  const std::int64_t samples = op.in.q.at.samples;
  const std::int64_t kv_heads = op.in.k.at.heads;
  const std::int64_t in_order = op.d_table ? samples : 1;
  const std::int64_t blocks = attention_scratch(op.in, 1);
  const std::int64_t stride = attention_scratch(op.in, 1, op.d_table.dtype());
  check_scratch_of_members(op.scratch, stride, stream.team());
  check_samples(op.in.pattern, op.in.lengths(), samples);
  const std::int64_t tasks =
      samples * kv_heads / std::max<std::int64_t>(in_order, 1);
  stream.team().run(tasks, [&](std::int64_t task, int member) {
    const std::int64_t head = task % kv_heads;
    float* const scratch = op.scratch.data<float>() + member * stride;
    with_table_sums(op, head, scratch + blocks, [&](float* d_table) {
      for (std::int64_t n = 0; n < in_order; ++n) {
        const std::int64_t b = task / kv_heads + n;
        HWY_DYNAMIC_DISPATCH(backward_key_head)
        (op,
         {.seen = SamplePattern(op.in.pattern, op.in.lengths(), b),
          .b = b,
          .head = head,
          .scratch = scratch,
          .d_table = d_table});
      }
    });
  });
}

}  // namespace dure::kernels
#endif
