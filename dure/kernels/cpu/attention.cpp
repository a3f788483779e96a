#include "dure/kernels/attention.h"

#include <numbers>

#include "dure/kernels/cpu/attention_head.h"
#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/attention.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/attention_keep-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// A block of queries on its way over the keys [2, algorithm 1].
struct ForwardState {
  float* k;      // (S, D)
  float* v;      // (S, D)
  float* q_t;    // (D, block)
  float* y_t;    // (D, block)   the sum so far, before division
  float* s;      // (block, block)   scores, then probabilities
  float* keep;   // (block, block)   dropout
  float* most;   // (block)   the largest score so far, in units of log 2
  float* total;  // (block)   the sum so far of exp2(score - most)
};

inline ForwardState cut_forward(const AttentionShape& shape, float* scratch) {
  constexpr std::int64_t kSquare = kAttentionBlock * kAttentionBlock;
  ScratchCutter cut(scratch);
  return {.k = cut.take(shape.sequence * shape.head_dim),
          .v = cut.take(shape.sequence * shape.head_dim),
          .q_t = cut.take(shape.head_dim * kAttentionBlock),
          .y_t = cut.take(shape.head_dim * kAttentionBlock),
          .s = cut.take(kSquare),
          .keep = cut.take(kSquare),
          .most = cut.take(kAttentionBlock),
          .total = cut.take(kAttentionBlock)};
}

// The largest of rows 0 .. keys - 1 of a vector-wide column.
HWY_INLINE Vector column_max(const float* s, std::int64_t keys) {
  const Floats d;
  Vector most = hn::LoadU(d, s);
  Vector most_odd = most;  // a second chain: the latency of one is 4 cycles
  std::int64_t j = 1;
  for (; j + 2 <= keys; j += 2) {
    most = hn::Max(most, hn::LoadU(d, s + j * kAttentionBlock));
    most_odd = hn::Max(most_odd, hn::LoadU(d, s + (j + 1) * kAttentionBlock));
  }
  if (j < keys) {
    most = hn::Max(most, hn::LoadU(d, s + j * kAttentionBlock));
  }
  return hn::Max(most, most_odd);
}

// s = exp2(s * factor - most), and the sum of it.
HWY_INLINE Vector exponentiate(float* s,
                               std::int64_t keys,
                               Vector factor,
                               Vector most) {
  const Floats d;
  Vector total = hn::Zero(d);
  for (std::int64_t j = 0; j < keys; ++j) {
    float* row = s + j * kAttentionBlock;
    const Vector p = exp2(hn::MulSub(hn::LoadU(d, row), factor, most));
    hn::StoreU(p, d, row);
    total = hn::Add(total, p);
  }
  return total;
}

HWY_INLINE void scale_column(float* y_t, std::int64_t rows, Vector factor) {
  const Floats d;
  for (std::int64_t r = 0; r < rows; ++r) {
    float* row = y_t + r * kAttentionBlock;
    hn::StoreU(hn::Mul(hn::LoadU(d, row), factor), d, row);
  }
}

// Turns the scores of a block into probabilities relative to the largest score
// so far, to which it brings what was summed before.
inline void softmax_block(const ForwardState& at,
                          const Block& block,
                          std::int64_t head_dim,
                          float scale) {
  const Floats d;
  const Vector factor = hn::Set(d, scale * std::numbers::log2e_v<float>);
  for (std::int64_t v = 0; v < block.vectors(); ++v) {
    float* s = at.s + v * kLanes;
    float* most = at.most + v * kLanes;
    float* total = at.total + v * kLanes;
    const std::int64_t keys = block.seen_by(v);
    const Vector before = hn::LoadU(d, most);
    const Vector now = hn::Max(before, hn::Mul(column_max(s, keys), factor));
    const Vector shrink = exp2(hn::Sub(before, now));
    const Vector added = exponentiate(s, keys, factor, now);
    hn::StoreU(hn::MulAdd(hn::LoadU(d, total), shrink, added), d, total);
    hn::StoreU(now, d, most);
    if (block.first_key > 0 && !hn::AllTrue(d, hn::Eq(before, now))) {
      scale_column(at.y_t + v * kLanes, head_dim, shrink);
    }
  }
}

inline void drop_block(float* s, const float* keep, const Block& block) {
  const Floats d;
  for (std::int64_t j = 0; j < block.keys; ++j) {
    for (std::int64_t i = 0; i < block.queries; i += kLanes) {
      const std::int64_t at = j * kAttentionBlock + i;
      hn::StoreU(
          hn::Mul(hn::LoadU(d, s + at), hn::LoadU(d, keep + at)), d, s + at);
    }
  }
}

inline void attend_block(const Attention& op,
                         const HeadTask& task,
                         const ForwardState& at,
                         const Block& block) {
  const std::int64_t D = op.shape.head_dim;
  const std::int64_t first = block.first_key * D;
  const bool drops = op.mask.rate > 0;
  if (drops) {
    fill_keep(at.keep, at.s, op.shape, op.mask, task, block);
  }
  multiply_scores(at.s, at.k + first, at.q_t, D, block);
  mask_diagonal(at.s, block, -HUGE_VALF);
  softmax_block(at, block, D, op.scale);
  if (drops) {
    drop_block(at.s, at.keep, block);
  }
  multiply_to_queries(at.y_t,
                      at.v + first,
                      at.s,
                      D,
                      block,
                      first == 0 ? Write::kOverwrite : Write::kAdd);
}

inline void finish_queries(const Attention& op,
                           const HeadTask& task,
                           const ForwardState& at,
                           const Block& block) {
  const Floats d;
  const AttentionShape& shape = op.shape;
  for (std::int64_t i = 0; i < block.queries; i += kLanes) {
    const Vector total = hn::LoadU(d, at.total + i);
    scale_column(at.y_t + i, shape.head_dim, hn::Div(hn::Set(d, 1.0F), total));
  }
  const HeadRows<float> y = head_rows(op.y.data<float>(),
                                      shape,
                                      shape.heads * shape.head_dim,
                                      task.b,
                                      task.head);
  transpose(y.from(block.first_query),
            {at.y_t, kAttentionBlock},
            shape.head_dim,
            block.queries);
  float* lse = op.lse.data<float>() +
               (task.b * shape.sequence + block.first_query) * shape.heads +
               task.head;
  for (std::int64_t i = 0; i < block.queries; ++i) {
    lse[i * shape.heads] =
        at.most[i] * std::numbers::ln2_v<float> + std::log(at.total[i]);
  }
}

inline void attend_queries(const Attention& op,
                           const HeadTask& task,
                           const ForwardState& at,
                           Block block) {
  const AttentionShape& shape = op.shape;
  const HeadRows<const float> q = head_rows(
      op.qkv.data<float>(), shape, shape.qkv_columns(), task.b, task.head);
  turn_rows(at.q_t, q.from(block.first_query), block.queries, shape.head_dim);
  std::fill_n(at.most, kAttentionBlock, -HUGE_VALF);
  std::fill_n(at.total, kAttentionBlock, 0.0F);
  for (std::int64_t key = 0; key <= block.first_query; key += kAttentionBlock) {
    block.first_key = key;
    block.keys = std::min(kAttentionBlock, shape.sequence - key);
    attend_block(op, task, at, block);
  }
  finish_queries(op, task, at, block);
}

// Keys and values that no query of these blocks sees are not copied.
void attend_head(const Attention& op, const HeadTask& task) {
  const AttentionShape& shape = op.shape;
  const std::int64_t S = shape.sequence;
  const std::int64_t D = shape.head_dim;
  const ForwardState at = cut_forward(shape, task.scratch);
  const std::int64_t group = task.head / (shape.heads / shape.kv_heads);
  const auto rows_of = [&](std::int64_t slot) {
    return head_rows(
        op.qkv.data<float>(), shape, shape.qkv_columns(), task.b, slot);
  };
  copy_rows({at.k, D}, rows_of(shape.heads + group), S, D);
  copy_rows({at.v, D}, rows_of(shape.heads + shape.kv_heads + group), S, D);
  for (std::int64_t first = task.first_block * kAttentionBlock; first < S;
       first += task.block_step * kAttentionBlock) {
    attend_queries(
        op, task, at, {first, std::min(kAttentionBlock, S - first), 0, 0});
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {

HWY_EXPORT(attend_head);

std::int64_t scratch_of_member(const AttentionShape& shape,
                               const Tensor& scratch,
                               const Team& team) {
  const std::int64_t elements = attention_thread_scratch(shape);
  DURE_CHECK(scratch.elements() >= team.members() * elements,
             "attention on ",
             team.members(),
             " threads wants scratch of ",
             team.members() * elements,
             " elements, not ",
             scratch.elements());
  return elements;
}

void run(OnCpu, Stream& stream, const Attention& op) {
  const std::int64_t heads = op.shape.batch * op.shape.heads;
  const std::int64_t stride =
      scratch_of_member(op.shape, op.scratch, stream.team());
  // Few heads are split further, by blocks of queries, which do not meet.
  const std::int64_t blocks =
      (op.shape.sequence + kAttentionBlock - 1) / kAttentionBlock;
  const std::int64_t parts =
      std::clamp<std::int64_t>(std::int64_t{4} * stream.team().members() /
                                   std::max<std::int64_t>(heads, 1),
                               1,
                               std::max<std::int64_t>(blocks, 1));
  stream.team().run(heads * parts, [&](std::int64_t task, int member) {
    const std::int64_t head = task / parts;
    HWY_DYNAMIC_DISPATCH(attend_head)
    (op,
     {.b = head / op.shape.heads,
      .head = head % op.shape.heads,
      .first_block = task % parts,
      .block_step = parts,
      .scratch = op.scratch.data<float>() + member * stride});
  });
}

}  // namespace dure::kernels
#endif
