// Rows of tables: token embedding, plus learned positions if the model has
// them.
//
//   y[n] = token[ids[n]] (+ position[positions[n]])
//
// A rank may hold only the rows [first_row, first_row + V') of the token table.
// It looks up 0 for an id of another rank, and the sum over ranks is the lookup
// in the whole table [1, section 3].
//
// [1] Shoeybi et al. 2019, arXiv:1909.08053.
#pragma once

#include "dure/kernels/op.h"

namespace dure::kernels {

// Which rows of how many a table holds.
struct TableRows {
  std::int64_t first = 0;
  std::int64_t all = 0;
};

struct Embedding {
  static constexpr const char* kName = "embedding";
  Tensor y;           // (N, C)    of token's type or f32   overwritten
  ConstTensor ids;    // (N)       i32; Error where not in [0, token_rows.all)
  ConstTensor token;  // (V', C)
  TableRows token_rows;
  ConstTensor positions = {};  // (N)      i32; with `position`
  ConstTensor position = {};   // (S, C)   of token's type, optional

  static void visit(auto& op, auto&& tensors) {
    tensors(op.y, op.ids, op.token, op.positions, op.position);
  }
};

void check(const Embedding& op);
Cost cost(const Embedding& op);
void run(OnCpu, Stream& stream, const Embedding& op);
void run(OnCuda, Stream& stream, const Embedding& op);

// Adds each row of d_y to its row of a table's gradient, if the table has it.
//
//   d_table[v] = d_table[v] + sum_{n: indices[n] = v} d_y[n]
//
// It adds in f32 and in the order of n, so the sums are the same for any number
// of threads, and rounds a sum once, however many rows have the index.
//
// Memory: for a table in 16 bits the stream keeps 4 (N + V' + 1) bytes.
struct EmbeddingBackward {
  static constexpr const char* kName = "embedding_backward";
  Tensor d_table;       // (V', C)   added to; of a type of its own: if it has
                        //           16 bits, d_y is of that type or f32
  ConstTensor d_y;      // (N, C)
  ConstTensor indices;  // (N)       i32; Error where not in [0, rows.all)
  TableRows rows;

  static void visit(auto& op, auto&& tensors) {
    tensors(op.d_table, op.d_y, op.indices);
  }
};

void check(const EmbeddingBackward& op);
Cost cost(const EmbeddingBackward& op);
void run(OnCpu, Stream& stream, const EmbeddingBackward& op);
void run(OnCuda, Stream& stream, const EmbeddingBackward& op);

}  // namespace dure::kernels
