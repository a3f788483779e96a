#include <numbers>

#include "dure/kernels/attention.h"
#include "dure/kernels/cpu/attention_head.h"
#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/attention_backward.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/attention_keep-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// One key head with the block of queries at hand [2, algorithm 2]. W is
// padded(D).
struct BackwardState {
  float* k;      // (S, D)
  float* v;      // (S, D)
  float* d_k;    // (S, W)   the sum over the group's query heads so far
  float* d_v;    // (S, W)   likewise
  float* q_t;    // (D, block)
  float* d_y_t;  // (D, block)
  float* d_q_t;  // (D, block)
  float* q;      // (block, W)
  float* d_y;    // (block, W)
  float* p;      // (block, block)   scores, then probabilities
  float* d_s;    // (block, block)   d_p, then d_s
  float* keep;   // (block, block)   dropout
  float* lse;    // (block)   in units of log 2
  float* delta;  // (block)   sum_d d_y y, which is sum_j d_p p
};

inline BackwardState cut_backward(const AttentionShape& shape, float* scratch) {
  constexpr std::int64_t kSquare = kAttentionBlock * kAttentionBlock;
  const std::int64_t turned = shape.head_dim * kAttentionBlock;
  const std::int64_t straight = padded(shape.head_dim) * kAttentionBlock;
  ScratchCutter cut(scratch);
  return {.k = cut.take(shape.sequence * shape.head_dim),
          .v = cut.take(shape.sequence * shape.head_dim),
          .d_k = cut.take(shape.sequence * padded(shape.head_dim)),
          .d_v = cut.take(shape.sequence * padded(shape.head_dim)),
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
  const Vector scale = hn::Set(d, op.scale);
  const Vector factor = hn::Set(d, op.scale * std::numbers::log2e_v<float>);
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

// Zeros where the tiles of multiply_to_keys reach above the diagonal and beyond
// what differentiate_column wrote.
inline void clear_unseen(float* matrix, const Block& block, std::int64_t v) {
  for (std::int64_t j = block.seen_by(v); j < block.keys; ++j) {
    std::fill_n(matrix + j * kAttentionBlock + v * kLanes, kLanes, 0.0F);
  }
}

inline void backward_block(const AttentionBackward& op,
                           const HeadTask& task,
                           const BackwardState& at,
                           const Block& block) {
  const std::int64_t D = op.shape.head_dim;
  const std::int64_t first = block.first_key * D;
  const std::int64_t first_padded = block.first_key * padded(D);
  if (op.mask.rate > 0) {
    fill_keep(at.keep, at.p, op.shape, op.mask, task, block);
  }
  multiply_scores(at.p, at.k + first, at.q_t, D, block);
  mask_diagonal(at.p, block, -HUGE_VALF);
  multiply_scores(at.d_s, at.v + first, at.d_y_t, D, block);
  for (std::int64_t v = 0; v < block.vectors(); ++v) {
    differentiate_column(op, at, block, v);
    clear_unseen(at.p, block, v);
    clear_unseen(at.d_s, block, v);
  }
  multiply_to_keys(at.d_v + first_padded, at.p, at.d_y, D, block);
  multiply_to_keys(at.d_k + first_padded, at.d_s, at.q, D, block);
  multiply_to_queries(at.d_q_t,
                      at.k + first,
                      at.d_s,
                      D,
                      block,
                      first == 0 ? Write::kOverwrite : Write::kAdd);
}

inline void load_queries(const AttentionBackward& op,
                         const HeadTask& task,
                         const BackwardState& at,
                         const Block& block) {
  const AttentionShape& shape = op.shape;
  const std::int64_t D = shape.head_dim;
  const auto rows_of = [&](const ConstTensor& x, std::int64_t columns) {
    return head_rows(x.data<float>(), shape, columns, task.b, task.head)
        .from(block.first_query);
  };
  const HeadRows<const float> q = rows_of(op.qkv, shape.qkv_columns());
  const HeadRows<const float> y = rows_of(op.y, shape.heads * D);
  const HeadRows<const float> d_y = rows_of(op.d_y, shape.heads * D);
  turn_rows(at.q_t, q, block.queries, D);
  turn_rows(at.d_y_t, d_y, block.queries, D);
  copy_rows({at.q, padded(D)}, q, block.queries, D);
  copy_rows({at.d_y, padded(D)}, d_y, block.queries, D);
  const float* lse =
      op.lse.data<float>() +
      (task.b * shape.sequence + block.first_query) * shape.heads + task.head;
  std::fill_n(at.lse, kAttentionBlock, 0.0F);
  std::fill_n(at.delta, kAttentionBlock, 0.0F);
  for (std::int64_t i = 0; i < block.queries; ++i) {
    at.lse[i] = lse[i * shape.heads] * std::numbers::log2e_v<float>;
    at.delta[i] = dot(y.row(i), d_y.row(i), D);
  }
}

inline void backward_queries(const AttentionBackward& op,
                             const HeadTask& task,
                             const BackwardState& at,
                             Block block) {
  const AttentionShape& shape = op.shape;
  load_queries(op, task, at, block);
  for (std::int64_t key = 0; key <= block.first_query; key += kAttentionBlock) {
    block.first_key = key;
    block.keys = std::min(kAttentionBlock, shape.sequence - key);
    backward_block(op, task, at, block);
  }
  const HeadRows<float> d_q = head_rows(
      op.d_qkv.data<float>(), shape, shape.qkv_columns(), task.b, task.head);
  transpose(d_q.from(block.first_query),
            {at.d_q_t, kAttentionBlock},
            shape.head_dim,
            block.queries);
}

// task.head is the key head; the query heads of its group go in order.
void backward_key_head(const AttentionBackward& op, const HeadTask& task) {
  const AttentionShape& shape = op.shape;
  const std::int64_t S = shape.sequence;
  const std::int64_t D = shape.head_dim;
  const std::int64_t W = padded(D);
  const std::int64_t k_slot = shape.heads + task.head;
  const std::int64_t v_slot = k_slot + shape.kv_heads;
  const auto rows_of = [&](auto* data, std::int64_t slot) {
    return head_rows(data, shape, shape.qkv_columns(), task.b, slot);
  };
  const BackwardState at = cut_backward(shape, task.scratch);
  copy_rows({at.k, D}, rows_of(op.qkv.data<float>(), k_slot), S, D);
  copy_rows({at.v, D}, rows_of(op.qkv.data<float>(), v_slot), S, D);
  std::fill_n(at.d_k, S * W, 0.0F);
  std::fill_n(at.d_v, S * W, 0.0F);
  // The padding of the rows stays 0.
  std::fill_n(at.q, kAttentionBlock * W, 0.0F);
  std::fill_n(at.d_y, kAttentionBlock * W, 0.0F);
  const std::int64_t group = shape.heads / shape.kv_heads;
  HeadTask query_head = task;
  for (std::int64_t i = 0; i < group; ++i) {
    query_head.head = task.head * group + i;
    for (std::int64_t first = 0; first < S; first += kAttentionBlock) {
      backward_queries(op,
                       query_head,
                       at,
                       {first, std::min(kAttentionBlock, S - first), 0, 0});
    }
  }
  copy_rows(rows_of(op.d_qkv.data<float>(), k_slot), {at.d_k, W}, S, D);
  copy_rows(rows_of(op.d_qkv.data<float>(), v_slot), {at.d_v, W}, S, D);
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {

HWY_EXPORT(backward_key_head);

void run(OnCpu, Stream& stream, const AttentionBackward& op) {
  const std::int64_t tasks = op.shape.batch * op.shape.kv_heads;
  const std::int64_t stride =
      scratch_of_member(op.shape, op.scratch, stream.team());
  stream.team().run(tasks, [&](std::int64_t task, int member) {
    HWY_DYNAMIC_DISPATCH(backward_key_head)
    (op,
     {.b = task / op.shape.kv_heads,
      .head = task % op.shape.kv_heads,
      .scratch = op.scratch.data<float>() + member * stride});
  });
}

}  // namespace dure::kernels
#endif
