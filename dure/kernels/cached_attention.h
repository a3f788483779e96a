// Attention of a few new rows a sample to a cache of keys and values.
//
// A cache is an operand of two operations: CacheAppend stores the new rows, and
// CachedAttention computes the attention of attention.h on a view of all the
// cache. It is an operation of its own because it works differently: the
// forward of attention.h transposes a block of 64 queries and copies every key
// and value, which pays for many queries. Here there is often one; each key of
// f32 is read once in place, and no lse is needed. A few keys of bf16 or f16 at
// a time are widened into scratch.
//
// Types: q, k, v, y and the caches are all f32, all bf16 or all f16; what is
// between is that of attention.h. A row's y depends on its own query and its
// sample's cache alone, to the bit.
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

  static void visit(auto& op, auto&& tensors) {
    tensors(op.k_cache, op.v_cache, op.k, op.v, op.lengths);
  }
};

void check(const CacheAppend& op);
Cost cost(const CacheAppend& op);
void run(OnCpu, Stream& stream, const CacheAppend& op);
void run(OnCuda, Stream& stream, const CacheAppend& op);

// The f32 elements of scratch that CachedAttention needs on so many threads,
// none for heads of f32.
std::int64_t cached_attention_scratch(const AttentionInputs& in, int threads);

// Reads only the keys from the first to the last that a query sees.
struct CachedAttention {
  static constexpr const char* kName = "cached_attention";
  Tensor y;  // (B T, H D)   overwritten
  AttentionInputs in;
  Tensor scratch = {};  // (cached_attention_scratch()) overwritten

  static void visit(auto& op, auto&& tensors) {
    tensors(op.y, op.in, op.scratch);
  }
};

void check(const CachedAttention& op);
Cost cost(const CachedAttention& op);
void run(OnCpu, Stream& stream, const CachedAttention& op);
void run(OnCuda, Stream& stream, const CachedAttention& op);

}  // namespace dure::kernels
