// Attention of a few new rows a sample to a cache of keys and values.
//
// A cache is an operand of two operations: CacheAppend stores the new rows, and
// CachedAttention computes the attention of attention.h on a view of all the
// cache. It is an operation of its own because it works differently: the
// forward of attention.h transposes a block of 64 queries and copies every key
// and value, which pays for many queries. Here there is often one; each key is
// read once in place, and neither scratch nor lse is needed.
#pragma once

#include "dure/kernels/attention.h"

namespace dure::kernels {

// Row t of T of sample b goes to position lengths[b] + t.
struct CacheAppend {
  static constexpr const char* kName = "cache_append";
  Tensor k_cache;       // (B, G, S, D)   written at the new positions
  Tensor v_cache;       // (B, G, S, D)   written at the new positions
  ConstHeads k;         // B samples of T rows of G heads of D
  ConstHeads v;         // as k
  ConstTensor lengths;  // (B)   i32; Error unless lengths[b] + T <= S
};

void check(const CacheAppend& op);
Cost cost(const CacheAppend& op);
void run(OnCpu, Stream& stream, const CacheAppend& op);
void run(OnCuda, Stream& stream, const CacheAppend& op);

// Reads only the keys from the first to the last that a query sees.
struct CachedAttention {
  static constexpr const char* kName = "cached_attention";
  Tensor y;  // (B T, H D)   overwritten
  AttentionInputs in;
};

void check(const CachedAttention& op);
Cost cost(const CachedAttention& op);
void run(OnCpu, Stream& stream, const CachedAttention& op);
void run(OnCuda, Stream& stream, const CachedAttention& op);

}  // namespace dure::kernels
