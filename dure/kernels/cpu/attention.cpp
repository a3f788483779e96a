#include "dure/kernels/attention.h"

#include <numbers>

#include "dure/kernels/cpu/attention_head.h"
#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/attention.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/attention_bias-inl.h"
#include "dure/kernels/cpu/attention_keep-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// The state of a block of queries as it goes over the keys [2, algorithm 1].
struct ForwardState {
  float* k;      // (Sk, D)
  float* v;      // (Sk, D)
  float* q_t;    // (D, block)
  float* y_t;    // (D, block)   the sum so far, before division
  float* s;      // (block, block)   scores, then probabilities
  float* keep;   // (block, block)   dropout
  float* most;   // (block)   the largest score so far, in units of log 2
  float* total;  // (block)   the sum so far of exp2(score - most)
  float* rows;   // (block, D)   q, then y, if they have 16 bits
};

inline ForwardState cut_forward(const HeadLayout& k, float* scratch) {
  constexpr std::int64_t kSquare = kAttentionBlock * kAttentionBlock;
  ScratchCutter cut(scratch);
  return {.k = cut.take(k.rows * k.head_dim),
          .v = cut.take(k.rows * k.head_dim),
          .q_t = cut.take(k.head_dim * kAttentionBlock),
          .y_t = cut.take(k.head_dim * kAttentionBlock),
          .s = cut.take(kSquare),
          .keep = cut.take(kSquare),
          .most = cut.take(kAttentionBlock),
          .total = cut.take(kAttentionBlock),
          .rows = cut.take(k.head_dim * kAttentionBlock)};
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

// s = exp2(s * factor - most); returns the sum.
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
// so far, and rescales the earlier sums to it. If all scores so far are -inf,
// it uses 0 as the largest, and the probabilities are 0. It is not inlined, so
// that its loop has registers for its constants.
HWY_NOINLINE void softmax_block(const ForwardState& at,
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
    const Vector base =
        hn::IfThenZeroElse(hn::Eq(now, hn::Set(d, -HUGE_VALF)), now);
    const Vector shrink = exp2(hn::Sub(before, base));
    const Vector added = exponentiate(s, keys, factor, base);
    hn::StoreU(hn::MulAdd(hn::LoadU(d, total), shrink, added), d, total);
    hn::StoreU(now, d, most);
    if (block.write == Write::kAdd && !hn::AllTrue(d, hn::Eq(before, now))) {
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
  const std::int64_t D = op.in.q.at.head_dim;
  const std::int64_t first = block.first_key * D;
  const bool drops = op.mask.rate > 0;
  if (drops) {
    fill_keep(at.keep, at.s, op.in, op.mask, task, block);
  }
  multiply_scores(at.s, at.k + first, at.q_t, D, block);
  add_bias(at.s, op.in, task, block);
  mask_scores(at.s, task.seen, block);
  softmax_block(at, block, D, op.in.scale);
  if (drops) {
    drop_block(at.s, at.keep, block);
  }
  multiply_to_queries(at.y_t, at.v + first, at.s, D, block);
}

// Divides by the totals. A query that sees no key has total 0, and zeros in
// y_t.
inline void finish_queries(const Attention& op,
                           const HeadTask& task,
                           const ForwardState& at,
                           const Block& block) {
  const Floats d;
  const HeadLayout& q = op.in.q.at;
  for (std::int64_t i = 0; i < block.queries; i += kLanes) {
    const Vector total = hn::LoadU(d, at.total + i);
    const Vector inverse = hn::IfThenZeroElse(hn::Eq(total, hn::Zero(d)),
                                              hn::Div(hn::Set(d, 1.0F), total));
    scale_column(at.y_t + i, q.head_dim, inverse);
  }
  save_turned_rows(heads_of_rows(op.y, output_columns(q)),
                   slice_of(task, block),
                   at.y_t,
                   {at.rows, q.head_dim});
  float* lse = op.lse.data<float>() +
               (task.b * q.rows + block.first_query) * q.heads + task.head;
  for (std::int64_t i = 0; i < block.queries; ++i) {
    lse[i * q.heads] =
        at.most[i] * std::numbers::ln2_v<float> + std::log(at.total[i]);
  }
}

inline void attend_queries(const Attention& op,
                           const HeadTask& task,
                           const ForwardState& at,
                           const Block& rows) {
  const std::int64_t D = op.in.q.at.head_dim;
  turn_rows(at.q_t,
            rows_in_f32(op.in.q, slice_of(task, rows), {at.rows, D}),
            rows.queries,
            D);
  std::fill_n(at.most, kAttentionBlock, -HUGE_VALF);
  std::fill_n(at.total, kAttentionBlock, 0.0F);
  const bool sees =
      for_each_key_block(task.seen, rows, [&](const Block& block) {
        attend_block(op, task, at, block);
      });
  if (!sees) {
    std::fill_n(at.y_t, D * kAttentionBlock, 0.0F);
  }
  finish_queries(op, task, at, rows);
}

void attend_head(const Attention& op, const HeadTask& task) {
  const AttentionInputs& in = op.in;
  const std::int64_t D = in.q.at.head_dim;
  const ForwardState at = cut_forward(in.k.at, task.scratch);
  const HeadSlice keys = {.b = task.b,
                          .head = task.head / heads_of_group(in),
                          .first = 0,
                          .count = task.seen.keys()};
  load_rows({at.k, D}, in.k, keys);
  load_rows({at.v, D}, in.v, keys);
  const std::int64_t rows = in.q.at.rows;
  for (std::int64_t first = task.first_block * kAttentionBlock; first < rows;
       first += task.block_step * kAttentionBlock) {
    attend_queries(op,
                   task,
                   at,
                   {.first_query = first,
                    .queries = std::min(kAttentionBlock, rows - first)});
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {

HWY_EXPORT(attend_head);

std::int64_t attention_scratch(const AttentionInputs& in,
                               int threads,
                               DType d_table) {
  const std::int64_t D = in.k.at.head_dim;
  const std::int64_t whole_heads =
      2 * padded(in.k.at.rows * D) + 2 * in.k.at.rows * padded(D);
  const std::int64_t turned_blocks = 3 * D * kAttentionBlock;
  const std::int64_t blocks = 2 * kAttentionBlock * padded(D);
  const std::int64_t scores = 3 * kAttentionBlock * kAttentionBlock;
  const std::int64_t rows = 2 * kAttentionBlock;
  const std::int64_t sums =
      is_half(d_table) ? padded(table_elements_of_group(in)) : 0;
  return threads *
         (whole_heads + turned_blocks + blocks + scores + rows + sums);
}

void check_scratch_of_members(const Tensor& scratch,
                              std::int64_t elements,
                              const Team& team) {
  DURE_CHECK(scratch.elements() >= team.members() * elements,
             "attention on {} threads wants scratch of {} elements, not {}",
             team.members(),
             team.members() * elements,
             scratch.elements());
}

void run(OnCpu, Stream& stream, const Attention& op) {
  const HeadLayout& q = op.in.q.at;
  const std::int64_t heads = q.samples * q.heads;
  const std::int64_t stride = attention_scratch(op.in, 1);
  check_scratch_of_members(op.scratch, stride, stream.team());
  check_samples(op.in.pattern, op.in.lengths(), q.samples);
  // Few heads are split further, by blocks of queries, which are independent.
  const std::int64_t blocks = (q.rows + kAttentionBlock - 1) / kAttentionBlock;
  const std::int64_t parts =
      std::clamp<std::int64_t>(std::int64_t{4} * stream.team().members() /
                                   std::max<std::int64_t>(heads, 1),
                               1,
                               std::max<std::int64_t>(blocks, 1));
  stream.team().run(heads * parts, [&](std::int64_t task, int member) {
    const std::int64_t head = task / parts;
    const std::int64_t b = head / q.heads;
    HWY_DYNAMIC_DISPATCH(attend_head)
    (op,
     {.seen = SamplePattern(op.in.pattern, op.in.lengths(), b),
      .b = b,
      .head = head % q.heads,
      .first_block = task % parts,
      .block_step = parts,
      .scratch = op.scratch.data<float>() + member * stride});
  });
}

}  // namespace dure::kernels
#endif
