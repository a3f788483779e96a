#include "dure/kernels/cached_attention.h"

#include <numbers>

#include "dure/kernels/cpu/attention_head.h"
#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/cached_attention.cpp"
#include <algorithm>
#include <array>
#include <cmath>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <span>

#include "dure/kernels/cpu/attention_rows-inl.h"
#include "dure/kernels/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// A thread's scratch for heads of 16 bits: rows that it widened, and sums. All
// are null for f32, which is read, and summed, in place.
struct CachedState {
  float* q = nullptr;  // (kCachedQueries, D)
  float* y = nullptr;  // (kCachedQueries, D)
  float* k = nullptr;  // (kCachedPositions, D)
  float* v = nullptr;  // (kCachedPositions, D)
};

inline CachedState cut_cached(std::int64_t head_dim, float* scratch) {
  if (scratch == nullptr) {
    return {};
  }
  ScratchCutter cut(scratch);
  return {.q = cut.take(kCachedQueries * head_dim),
          .y = cut.take(kCachedQueries * head_dim),
          .k = cut.take(kCachedPositions * head_dim),
          .v = cut.take(kCachedPositions * head_dim)};
}

// A key head of a sample.
struct CachedHead {
  const AttentionInputs& in;
  const HeadTask& task;
  const SamplePattern& seen;
  Heads y;
  CachedState at;
};

// A few positions of its cache; row 0 is position `first`.
struct CachedRows {
  std::int64_t first;
  HeadRows<const float> k;
  HeadRows<const float> v;
};

// A query as it goes over the cache: y holds the sum so far.
struct CachedQuery {
  std::int64_t row;   // of its sample
  std::int64_t head;  // of all query heads
  const float* q;
  float* y;
  PositionRange keys;  // it sees none beyond
  float most;          // as in cpu/attention.cpp
  float total;
};

// y = y * shrink + sum_n p[n] v[n], a few vectors of y at a time.
HWY_INLINE void add_values(float* y,
                           HeadRows<const float> v,
                           std::span<const float> p,
                           float shrink,
                           std::int64_t head_dim) {
  const Floats d;
  std::int64_t c = 0;
  for (; c + 2 * kLanes <= head_dim; c += 2 * kLanes) {
    Vector sum0 = hn::Mul(hn::LoadU(d, y + c), hn::Set(d, shrink));
    Vector sum1 = hn::Mul(hn::LoadU(d, y + c + kLanes), hn::Set(d, shrink));
    const float* row = v.data + c;
    for (const float weight_of_row : p) {
      const Vector weight = hn::Set(d, weight_of_row);
      sum0 = hn::MulAdd(weight, hn::LoadU(d, row), sum0);
      sum1 = hn::MulAdd(weight, hn::LoadU(d, row + kLanes), sum1);
      row += v.step;
    }
    hn::StoreU(sum0, d, y + c);
    hn::StoreU(sum1, d, y + c + kLanes);
  }
  for (; c < head_dim; ++c) {
    y[c] *= shrink;
    for (std::size_t n = 0; n < p.size(); ++n) {
      y[c] += p[n] * v.row(static_cast<std::int64_t>(n))[c];
    }
  }
}

// Computes the scores p of as many keys, in units of log 2. Returns the largest
// of them and query.most.
HWY_NOINLINE float score_positions(std::span<float> p,
                                   const CachedQuery& query,
                                   HeadRows<const float> k,
                                   const AttentionInputs& in) {
  const std::int64_t D = in.q.at.head_dim;
  const float factor = in.scale * std::numbers::log2e_v<float>;
  const float* const q = query.q;
  float most = query.most;
  for (float& score : p) {
    score = dot(q, k.data, D) * factor;
    most = std::max(most, score);
    k.data += k.step;
  }
  return most;
}

// Adds biases to the scores p of a range of keys, and hides those that the
// query does not see. Returns the largest of them and query.most.
HWY_NOINLINE float adjust_scores(std::span<float> p,
                                 const CachedQuery& query,
                                 const CachedHead& head,
                                 std::int64_t first_key) {
  float most = query.most;
  for (std::size_t n = 0; n < p.size(); ++n) {
    const std::int64_t j = first_key + static_cast<std::int64_t>(n);
    const std::int64_t distance = head.seen.position(query.row) - j;
    p[n] = head.seen.sees(query.row, j)
               ? p[n] + bias_of(head.in.bias, query.head, distance) *
                            std::numbers::log2e_v<float>
               : -HUGE_VALF;
    most = std::max(most, p[n]);
  }
  return most;
}

// Adds the keys of a range within `rows`, at most kCachedPositions, that the
// query sees to its softmax and sum.
inline void attend_positions(CachedQuery& query,
                             const CachedHead& head,
                             const CachedRows& rows,
                             const PositionRange& keys,
                             Cover cover) {
  const Floats d;
  const AttentionInputs& in = head.in;
  const std::int64_t D = in.q.at.head_dim;
  const std::int64_t row = keys.first - rows.first;
  std::array<float, kCachedPositions> p;
  p.fill(-HUGE_VALF);
  const std::span<float> scores(
      p.data(), static_cast<std::size_t>(keys.last - keys.first));
  float most = score_positions(scores, query, rows.k.from(row), in);
  if (cover == Cover::kSome || in.bias.is_there()) {
    most = adjust_scores(scores, query, head, keys.first);
    if (most == -HUGE_VALF) {
      return;
    }
  }
  Vector total = hn::Zero(d);
  for (std::int64_t n = 0; n < kCachedPositions; n += kLanes) {
    const Vector part =
        exp2(hn::Sub(hn::LoadU(d, p.data() + n), hn::Set(d, most)));
    hn::StoreU(part, d, p.data() + n);
    total = hn::Add(total, part);
  }
  const float shrink = std::exp2(query.most - most);
  query.most = most;
  query.total = query.total * shrink + hn::GetLane(hn::SumOfLanes(d, total));
  add_values(query.y, rows.v.from(row), scores, shrink, D);
}

inline HeadSlice slice_of(const CachedHead& head, const CachedQuery& query) {
  return {.b = head.task.b, .head = query.head, .first = query.row, .count = 1};
}

// Has the query read and sum in place, or in row `place` of the thread's own.
inline void place_query(CachedQuery& query,
                        const CachedHead& of,
                        std::int64_t place) {
  const HeadSlice slice = slice_of(of, query);
  if (of.in.q.tensor.dtype() == DType::kF32) {
    query.q = rows_of<float>(of.in.q, slice).data;
    query.y = rows_of<float>(of.y, slice).data;
    return;
  }
  const std::int64_t D = of.in.q.at.head_dim;
  const HeadRows<float> q = {of.at.q + place * D, D};
  load_rows(q, of.in.q, slice);
  query.q = q.data;
  query.y = of.at.y + place * D;
}

// Query `index` of those of a key head, as query `place` of its batch.
inline CachedQuery start_query(const CachedHead& of,
                               std::int64_t index,
                               std::int64_t place) {
  const std::int64_t group = heads_of_group(of.in);
  const std::int64_t row = index / group;
  CachedQuery query = {.row = row,
                       .head = of.task.head * group + index % group,
                       .q = nullptr,
                       .y = nullptr,
                       .keys = of.seen.keys_of(row, 1),
                       .most = -HUGE_VALF,
                       .total = 0};
  place_query(query, of, place);
  std::fill_n(query.y, of.in.q.at.head_dim, 0.0F);
  return query;
}

// Divides by the total, and rounds.
inline void finish_query(const CachedHead& head, const CachedQuery& query) {
  const std::int64_t D = head.in.q.at.head_dim;
  const float total = query.total == 0 ? 1 : query.total;  // 0: sees none
  for (std::int64_t c = 0; c < D; ++c) {
    query.y[c] /= total;
  }
  if (head.y.tensor.dtype() != DType::kF32) {
    save_rows(head.y, slice_of(head, query), {query.y, D});
  }
}

inline CachedRows read_rows(const CachedHead& head, const PositionRange& keys) {
  const std::int64_t D = head.in.k.at.head_dim;
  const HeadSlice slice = {.b = head.task.b,
                           .head = head.task.head,
                           .first = keys.first,
                           .count = keys.last - keys.first};
  return {.first = keys.first,
          .k = rows_in_f32(head.in.k, slice, {head.at.k, D}),
          .v = rows_in_f32(head.in.v, slice, {head.at.v, D})};
}

inline void attend_queries(std::span<CachedQuery> queries,
                           const CachedHead& head) {
  const std::int64_t row = queries.front().row;
  const PositionRange keys =
      head.seen.keys_of(row, queries.back().row - row + 1);
  const bool is_whole = head.seen.is_one_range();
  std::int64_t first = keys.first / kCachedPositions * kCachedPositions;
  for (; first < keys.last; first += kCachedPositions) {
    const std::int64_t last = first + kCachedPositions;
    const CachedRows rows = read_rows(head,
                                      {.first = std::max(first, keys.first),
                                       .last = std::min(last, keys.last)});
    for (CachedQuery& query : queries) {
      const PositionRange some = {.first = std::max(first, query.keys.first),
                                  .last = std::min(last, query.keys.last)};
      if (some.first >= some.last) {
        continue;
      }
      const Cover cover =
          is_whole ? Cover::kAll
                   : head.seen.cover({.first_query = query.row,
                                      .queries = 1,
                                      .first_key = some.first,
                                      .keys = some.last - some.first});
      if (cover != Cover::kNone) {
        attend_positions(query, head, rows, some, cover);
      }
    }
  }
  for (const CachedQuery& query : queries) {
    finish_query(head, query);
  }
}

void attend_cache(const CachedAttention& op, const HeadTask& task) {
  const HeadLayout& q = op.in.q.at;
  const CachedHead head = {.in = op.in,
                           .task = task,
                           .seen = task.seen,
                           .y = heads_of_rows(op.y, output_columns(q)),
                           .at = cut_cached(q.head_dim, task.scratch)};
  const std::int64_t queries = q.rows * heads_of_group(op.in);
  std::array<CachedQuery, kCachedQueries> batch;
  for (std::int64_t first = 0; first < queries; first += kCachedQueries) {
    const std::int64_t count = std::min(kCachedQueries, queries - first);
    for (std::int64_t i = 0; i < count; ++i) {
      batch[static_cast<std::size_t>(i)] = start_query(head, first + i, i);
    }
    attend_queries({batch.data(), static_cast<std::size_t>(count)}, head);
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {

HWY_EXPORT(attend_cache);

// The parts of CachedState.
std::int64_t cached_attention_scratch(const AttentionInputs& in, int threads) {
  const std::int64_t D = in.q.at.head_dim;
  return is_half(in.q.tensor.dtype())
             ? std::int64_t{threads} * 2 *
                   (padded(kCachedQueries * D) + padded(kCachedPositions * D))
             : 0;
}

void run(OnCpu, Stream& stream, const CachedAttention& op) {
  const std::int64_t stride = cached_attention_scratch(op.in, 1);
  check_scratch_of_members(op.scratch, stride, stream.team());
  float* const scratch = stride > 0 ? op.scratch.data<float>() : nullptr;
  check_samples(op.in.pattern, op.in.lengths(), op.in.q.at.samples);
  const std::int64_t kv_heads = op.in.k.at.heads;
  const std::int64_t tasks = op.in.q.at.samples * kv_heads;
  stream.team().run(tasks, [&](std::int64_t task, int member) {
    const std::int64_t b = task / kv_heads;
    HWY_DYNAMIC_DISPATCH(attend_cache)
    (op,
     {.seen = SamplePattern(op.in.pattern, op.in.lengths(), b),
      .b = b,
      .head = task % kv_heads,
      .scratch = scratch + member * stride});
  });
}

namespace {

// Copies rows of one head to their places in its cache (S, D).
void append(const Tensor& cache,
            const ConstHeads& rows,
            std::int64_t task,
            std::int64_t length) {
  const auto [B, G, S, D] = cache.dims<4>("a cache");
  const std::int64_t head = task % G;
  const std::int64_t b = task / G;
  const std::int64_t at = (task * S + length) * D;
  const std::int64_t columns = D;
  with_float_type(cache.dtype(), [&](auto element) {
    using Element = decltype(element);
    const HeadRows<const Element> from = head_rows<Element>(rows, b, head);
    Element* const to = cache.data<Element>() + at;
    for (std::int64_t t = 0; t < rows.at.rows; ++t) {
      std::copy_n(from.row(t), columns, to + t * columns);
    }
  });
}

}  // namespace

void run(OnCpu, Stream& stream, const CacheAppend& op) {
  const auto [B, G, S, D] = op.k_cache.dims<4>("k_cache");
  const std::int64_t T = op.k.at.rows;
  const auto* lengths = op.lengths.data<std::int32_t>();
  for (std::int64_t b = 0; b < B; ++b) {
    DURE_CHECK(lengths[b] >= 0 && lengths[b] + T <= S,
               "sample {} holds {} positions; {} more do not fit a cache of {}",
               b,
               lengths[b],
               T,
               S);
  }
  const std::int64_t heads = G;
  stream.team().run(B * heads, [&](std::int64_t task, int) {
    const std::int64_t length = lengths[task / heads];
    append(op.k_cache, op.k, task, length);
    append(op.v_cache, op.v, task, length);
  });
}

}  // namespace dure::kernels
#endif
