// Causal multi-head attention with grouped queries [1], blocked [2]: no (S, S)
// matrix reaches memory.
//
//   s[i,j]  = scale * q[i] . k[j]      for j <= i
//   lse[i]  = log sum_j exp(s[i,j])
//   y[i]    = sum_j drop(exp(s[i,j] - lse[i])) v[j]
//
// A row of qkv holds H heads of q, then G of k, then G of v, each of D; query
// head h reads key head h / (H / G). Rows are B sequences of S, one after
// another. `drop` is dropout.h's, with index ((b * H' + h') * S + i) * S + j: b
// counted from mask.first_index, h' of H' as the heads of all parts are. All
// operands are f32.
//
// [1] Ainslie et al. 2023, arXiv:2305.13245.
// [2] Dao 2023, arXiv:2307.08691, algorithms 1 and 2.
#pragma once

#include "dure/kernels/dropout.h"
#include "dure/kernels/op.h"

namespace dure::kernels {

struct AttentionShape {
  std::int64_t batch = 0;     // B
  std::int64_t sequence = 0;  // S
  std::int64_t heads = 0;     // H
  std::int64_t kv_heads = 0;  // G, a divisor of H
  std::int64_t head_dim = 0;  // D
  // These are part `part` of `parts` equal ones of the heads.
  std::int64_t part = 0;
  std::int64_t parts = 1;

  std::int64_t rows() const { return batch * sequence; }
  std::int64_t qkv_columns() const { return (heads + 2 * kv_heads) * head_dim; }
};

// Bytes of scratch that Attention and AttentionBackward want on this many
// threads, as elements of f32.
std::int64_t attention_scratch(const AttentionShape& shape, int threads);

struct Attention {
  static constexpr const char* kName = "attention";
  Tensor y;         // (BS, HD)    overwritten
  Tensor lse;       // (BS, H)     overwritten; kept for the backward
  ConstTensor qkv;  // (BS, (H + 2G) D)
  AttentionShape shape;
  float scale = 1;
  DropoutMask mask;
  Tensor scratch;  // (attention_scratch()) overwritten
};

void check(const Attention& op);
Cost cost(const Attention& op);
void run(OnCpu, Stream& stream, const Attention& op);
void run(OnCuda, Stream& stream, const Attention& op);

struct AttentionBackward {
  static constexpr const char* kName = "attention_backward";
  Tensor d_qkv;     // (BS, (H + 2G) D)   overwritten
  ConstTensor d_y;  // (BS, HD)
  ConstTensor y;    // (BS, HD)
  ConstTensor lse;  // (BS, H)
  ConstTensor qkv;  // (BS, (H + 2G) D)
  AttentionShape shape;
  float scale = 1;
  DropoutMask mask;
  Tensor scratch;  // (attention_scratch()) overwritten
};

void check(const AttentionBackward& op);
Cost cost(const AttentionBackward& op);
void run(OnCpu, Stream& stream, const AttentionBackward& op);
void run(OnCuda, Stream& stream, const AttentionBackward& op);

// One or more new queries a sequence against a cache of keys and values.
//
// First stores the T new keys and values of each sequence b at positions
// lengths[b] .. lengths[b] + T - 1, then attends causally: query t sees
// positions 0 .. lengths[b] + t.
struct CachedAttention {
  static constexpr const char* kName = "cached_attention";
  Tensor y;              // (BT, HD)      overwritten
  Tensor k_cache;        // (B, G, S, D)  written at the new positions
  Tensor v_cache;        // (B, G, S, D)  likewise
  ConstTensor qkv;       // (BT, (H + 2G) D)
  ConstTensor lengths;   // (B)   i32; lengths[b] + T <= S
  AttentionShape shape;  // sequence: T
  float scale = 1;
};

void check(const CachedAttention& op);
Cost cost(const CachedAttention& op);
void run(OnCpu, Stream& stream, const CachedAttention& op);
void run(OnCuda, Stream& stream, const CachedAttention& op);

}  // namespace dure::kernels
