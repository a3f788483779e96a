// Multi-head attention of queries to keys, with grouped queries [1], blocked
// [2]: no (Sq, Sk) matrix reaches memory.
//
//   s[i,j]  = scale * q[i] . k[j] + bias(p - j)    where i sees j
//   lse[i]  = log sum_j exp(s[i,j])
//   y[i]    = sum_j drop(exp(s[i,j] - lse[i])) v[j]
//
// The pattern gives the keys that a query sees, and its position p
// (attention_pattern.h). A query that sees none has lse -inf, y 0 and no
// gradients.
//
// Each of the B samples has Sq rows of q and Sk of k and v. Query head h of H
// reads key head h / (H / G) of G. `drop` is the dropout of dropout.h, with
// index ((b * H' + h') * Sq + i) * Sk + j, where b counts from
// mask.first_index, and head h' of H' counts over all parts.
//
// Types: q, k, v, y and the gradients of these are all f32, all bf16 or all
// f16; lse and scratch are f32. Elements of 16 bits are widened as they are
// read, everything between is in f32, and each element of an output is rounded
// once, as it is stored. cuDNN, which a GPU may use, also rounds probabilities
// and the gradients of scores to 16 bits before it multiplies them.
//
// [1] Ainslie et al. 2023, arXiv:2305.13245.
// [2] Dao 2023, arXiv:2307.08691, algorithms 1 and 2.
#pragma once

#include <span>

#include "dure/kernels/attention_pattern.h"
#include "dure/kernels/dropout.h"
#include "dure/kernels/heads.h"
#include "dure/kernels/op.h"

namespace dure::kernels {

// The bias that the score of head h gets for the distance p - j of a pair:
//
//   -slopes[h] |p - j|                                   ALiBi [3]
//   table[h, p - j + zero], the nearest end beyond it    relative biases [4]
//
// [3] Press et al. 2022, arXiv:2108.12409.
// [4] Raffel et al. 2020, JMLR 21, section 2.1.
struct AttentionBias {
  std::span<const float> slopes =
      {};                  // (H), in host memory that a launch reads
  ConstTensor table = {};  // (H, R)   of q's type or f32
  std::int64_t zero = 0;   // the column of distance 0

  bool is_there() const { return !slopes.empty() || table; }

  static void visit(auto& op, auto&& tensors) { tensors(op.table); }
};

// By what a GPU attends: by cuDNN where it knows the operation, if the build
// has it, or always by our own kernels.
enum class AttentionBy : std::uint8_t { kLibrary, kKernels };

// The stream's, which may be set.
inline AttentionBy& attention_by(Stream& stream) {
  struct Choice {
    AttentionBy by = AttentionBy::kLibrary;
  };
  return stream.kept<Choice>().by;
}

struct AttentionInputs {
  ConstHeads q;  // B samples of Sq rows of H heads of D
  ConstHeads k;  // B samples of Sk rows of G heads of D; G divides H
  ConstHeads v;  // as k
  AttentionPattern pattern = {};
  AttentionBias bias = {};
  float scale = 1;
  // These heads are part `part` of `parts` equal parts.
  std::int64_t part = 0;
  std::int64_t parts = 1;

  AttentionLengths lengths() const { return {q.at.rows, k.at.rows}; }

  static void visit(auto& op, auto&& tensors) {
    tensors(op.q, op.k, op.v, op.pattern, op.bias);
  }
};

// The f32 elements of scratch that Attention and AttentionBackward need on so
// many threads. A d_table of 16 bits is summed there.
std::int64_t attention_scratch(const AttentionInputs& in,
                               int threads,
                               DType d_table = DType::kF32);

struct Attention {
  static constexpr const char* kName = "attention";
  Tensor y;    // (B Sq, H D)    overwritten
  Tensor lse;  // (B Sq, H)      f32, overwritten; for the backward
  AttentionInputs in;
  DropoutMask mask = {};
  Tensor scratch;  // (attention_scratch()) overwritten

  static void visit(auto& op, auto&& tensors) {
    tensors(op.y, op.lse, op.in, op.mask, op.scratch);
  }
};

void check(const Attention& op);
Cost cost(const Attention& op);
void run(OnCpu, Stream& stream, const Attention& op);
void run(OnCuda, Stream& stream, const Attention& op);

struct AttentionBackward {
  static constexpr const char* kName = "attention_backward";
  Heads d_q;  // as in.q   overwritten
  Heads d_k;  // as in.k   overwritten
  Heads d_v;  // as in.v   overwritten
  // It has the shape of in.bias.table, is set if that is, and is of a type of
  // its own: f32, bf16 or f16. The sum is added to it in f32 and rounded once.
  Tensor d_table = {};
  ConstTensor d_y;  // (B Sq, H D)
  ConstTensor y;    // (B Sq, H D)
  ConstTensor lse;  // (B Sq, H)   f32
  AttentionInputs in;
  DropoutMask mask = {};
  Tensor scratch;  // (attention_scratch(), with d_table's type) overwritten

  static void visit(auto& op, auto&& tensors) {
    tensors(op.d_q,
            op.d_k,
            op.d_v,
            op.d_table,
            op.d_y,
            op.y,
            op.lse,
            op.in,
            op.mask,
            op.scratch);
  }
};

void check(const AttentionBackward& op);
Cost cost(const AttentionBackward& op);
void run(OnCpu, Stream& stream, const AttentionBackward& op);
void run(OnCuda, Stream& stream, const AttentionBackward& op);

}  // namespace dure::kernels
