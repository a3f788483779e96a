#include <numbers>

#include "dure/kernels/attention.h"
#include "dure/kernels/cpu/attention_head.h"
#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/cached_attention.cpp"
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <span>

#include "dure/kernels/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// Positions of the cache that are read together, and rows of queries that they
// serve before the next: 64 positions of 128 are 64 KiB of keys and values.
inline constexpr std::int64_t kPositions = 64;
inline constexpr std::int64_t kQueries = 16;

// One query on its way over the cache: y holds the sum so far.
struct CachedQuery {
  const float* q;
  float* y;
  std::int64_t positions;  // it sees 0 .. positions - 1
  float most;              // as in cpu/attention.cpp
  float total;
};

// y = y * shrink + sum_n p[n] v[n], a few vectors of y at a time.
HWY_INLINE void add_values(float* y,
                           const float* v,
                           const float* p,
                           float shrink,
                           std::int64_t count,
                           std::int64_t head_dim) {
  const Floats d;
  std::int64_t c = 0;
  for (; c + 2 * kLanes <= head_dim; c += 2 * kLanes) {
    Vector sum0 = hn::Mul(hn::LoadU(d, y + c), hn::Set(d, shrink));
    Vector sum1 = hn::Mul(hn::LoadU(d, y + c + kLanes), hn::Set(d, shrink));
    for (std::int64_t n = 0; n < count; ++n) {
      const float* row = v + n * head_dim + c;
      const Vector weight = hn::Set(d, p[n]);
      sum0 = hn::MulAdd(weight, hn::LoadU(d, row), sum0);
      sum1 = hn::MulAdd(weight, hn::LoadU(d, row + kLanes), sum1);
    }
    hn::StoreU(sum0, d, y + c);
    hn::StoreU(sum1, d, y + c + kLanes);
  }
  for (; c < head_dim; ++c) {
    y[c] *= shrink;
    for (std::int64_t n = 0; n < count; ++n) {
      y[c] += p[n] * v[n * head_dim + c];
    }
  }
}

// Takes `count` positions of the cache into the query's softmax and sum.
inline void attend_positions(CachedQuery& query,
                             const float* k,
                             const float* v,
                             std::int64_t count,
                             std::int64_t head_dim,
                             float factor) {
  const Floats d;
  std::array<float, kPositions> p;
  p.fill(-HUGE_VALF);
  float most = query.most;
  for (std::int64_t n = 0; n < count; ++n) {
    const auto at = static_cast<std::size_t>(n);
    p[at] = dot(query.q, k + n * head_dim, head_dim) * factor;
    most = std::max(most, p[at]);
  }
  Vector total = hn::Zero(d);
  for (std::int64_t n = 0; n < kPositions; n += kLanes) {
    const Vector part =
        exp2(hn::Sub(hn::LoadU(d, p.data() + n), hn::Set(d, most)));
    hn::StoreU(part, d, p.data() + n);
    total = hn::Add(total, part);
  }
  const float shrink = std::exp2(query.most - most);
  query.most = most;
  query.total = query.total * shrink + hn::GetLane(hn::SumOfLanes(d, total));
  add_values(query.y, v, p.data(), shrink, count, head_dim);
}

// Cache of one key head: (S, D).
struct HeadCache {
  float* k;
  float* v;
  std::int64_t length;  // before this call
};

inline void append(const CachedAttention& op,
                   const HeadTask& task,
                   const HeadCache& cache) {
  const AttentionShape& shape = op.shape;
  const std::int64_t D = shape.head_dim;
  const std::size_t bytes = static_cast<std::size_t>(D) * sizeof(float);
  for (std::int64_t t = 0; t < shape.sequence; ++t) {
    const float* k = op.qkv.data<float>() +
                     (task.b * shape.sequence + t) * shape.qkv_columns() +
                     (shape.heads + task.head) * D;
    std::memcpy(cache.k + (cache.length + t) * D, k, bytes);
    std::memcpy(
        cache.v + (cache.length + t) * D, k + shape.kv_heads * D, bytes);
  }
}

inline CachedQuery start_query(const CachedAttention& op,
                               const HeadTask& task,
                               const HeadCache& cache,
                               std::int64_t index) {
  const AttentionShape& shape = op.shape;
  const std::int64_t group = shape.heads / shape.kv_heads;
  const std::int64_t t = index / group;
  const std::int64_t head = task.head * group + index % group;
  const std::int64_t row = task.b * shape.sequence + t;
  CachedQuery query = {
      .q = op.qkv.data<float>() + row * shape.qkv_columns() +
           head * shape.head_dim,
      .y = op.y.data<float>() + (row * shape.heads + head) * shape.head_dim,
      .positions = cache.length + t + 1,
      .most = -HUGE_VALF,
      .total = 0};
  std::fill_n(query.y, shape.head_dim, 0.0F);
  return query;
}

inline void attend_queries(std::span<CachedQuery> queries,
                           const HeadCache& cache,
                           std::int64_t head_dim,
                           float scale) {
  const float factor = scale * std::numbers::log2e_v<float>;
  const std::int64_t seen = queries.back().positions;  // the latest sees most
  for (std::int64_t first = 0; first < seen; first += kPositions) {
    for (CachedQuery& query : queries) {
      const std::int64_t count = std::min(kPositions, query.positions - first);
      if (count > 0) {
        attend_positions(query,
                         cache.k + first * head_dim,
                         cache.v + first * head_dim,
                         count,
                         head_dim,
                         factor);
      }
    }
  }
  for (const CachedQuery& query : queries) {
    for (std::int64_t c = 0; c < head_dim; ++c) {
      query.y[c] /= query.total;
    }
  }
}

void attend_cache(const CachedAttention& op, const HeadTask& task) {
  const AttentionShape& shape = op.shape;
  const std::int64_t S = op.k_cache.shape()[2];
  const std::int64_t offset =
      (task.b * shape.kv_heads + task.head) * S * shape.head_dim;
  const HeadCache cache = {.k = op.k_cache.data<float>() + offset,
                           .v = op.v_cache.data<float>() + offset,
                           .length = op.lengths.data<std::int32_t>()[task.b]};
  append(op, task, cache);
  const std::int64_t queries = shape.sequence * (shape.heads / shape.kv_heads);
  std::array<CachedQuery, kQueries> batch;
  for (std::int64_t first = 0; first < queries; first += kQueries) {
    const std::int64_t count = std::min(kQueries, queries - first);
    for (std::int64_t i = 0; i < count; ++i) {
      batch[static_cast<std::size_t>(i)] =
          start_query(op, task, cache, first + i);
    }
    attend_queries({batch.data(), static_cast<std::size_t>(count)},
                   cache,
                   shape.head_dim,
                   op.scale);
  }
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {

HWY_EXPORT(attend_cache);

void run(OnCpu, Stream& stream, const CachedAttention& op) {
  const std::int64_t T = op.shape.sequence;
  const std::int64_t S = op.k_cache.shape()[2];
  for (std::int64_t b = 0; b < op.shape.batch; ++b) {
    const std::int64_t length = op.lengths.data<std::int32_t>()[b];
    DURE_CHECK(length >= 0 && length + T <= S,
               "sequence ",
               b,
               " holds ",
               length,
               " positions; ",
               T,
               " more do not fit a cache of ",
               S);
  }
  const std::int64_t tasks = op.shape.batch * op.shape.kv_heads;
  stream.team().run(tasks, [&](std::int64_t task, int) {
    HWY_DYNAMIC_DISPATCH(attend_cache)
    (op, {.b = task / op.shape.kv_heads, .head = task % op.shape.kv_heads});
  });
}

}  // namespace dure::kernels
#endif
