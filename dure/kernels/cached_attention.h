// Attention of a few new rows a sample to a cache of keys and values.
//
// A cache is an operand of two operations: CacheAppend stores the new rows, and
// CachedAttention is what attention.h says, on a view of all the cache. It is
// an operation of its own because it takes another way: the forward of
// attention.h turns a block of 64 queries and copies every key and value, which
// serves many queries; here there is often one, each key is read once where it
// lies, and neither scratch nor lse is wanted.
#pragma once

#include "dure/kernels/attention.h"

namespace dure::kernels {

// Row t of T of sample b goes to position lengths[b] + t.
struct CacheAppend {
  static constexpr const char* kName = "cache_append";
  Tensor k_cache;       // (B, G, S, D)   written at the new positions
  Tensor v_cache;       // (B, G, S, D)   likewise
  ConstHeads k;         // B samples of T rows of G heads of D
  ConstHeads v;         // as k
  ConstTensor lengths;  // (B)   i32; Error unless lengths[b] + T <= S
};

void check(const CacheAppend& op);
Cost cost(const CacheAppend& op);
void run(OnCpu, Stream& stream, const CacheAppend& op);
void run(OnCuda, Stream& stream, const CacheAppend& op);

// Keys before the first and after the last that a query sees are not read.
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
