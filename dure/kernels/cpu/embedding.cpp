#include "dure/kernels/embedding.h"

#include <algorithm>

#include "dure/kernels/cpu/parallel.h"

namespace dure::kernels {
namespace {

// Before any row is touched, and not on the threads: an Error may not leave
// one.
void check_indices(const char* name,
                   ConstTensor indices,
                   std::int64_t table_rows) {
  const std::int32_t* const index = indices.data<std::int32_t>();
  for (std::int64_t n = 0; n < indices.elements(); ++n) {
    DURE_CHECK(index[n] >= 0 && index[n] < table_rows,
               name,
               "[",
               n,
               "] is ",
               index[n],
               ", wanted 0 to ",
               table_rows - 1);
  }
}

// Where a table's rows are; null for those that it has not.
template <typename Float>
class Rows {
 public:
  Rows(Float* data, const Shape& table, std::int64_t first)
      : data_(data), held_(table[0]), C_(table[1]), first_(first) {}

  Float* operator[](std::int64_t index) const {
    const std::int64_t row = index - first_;
    return row >= 0 && row < held_ ? data_ + row * C_ : nullptr;
  }

 private:
  Float* data_;
  std::int64_t held_;
  std::int64_t C_;
  std::int64_t first_;
};

void look_up(const Embedding& op, std::int64_t first, std::int64_t last) {
  const std::int64_t C = op.y.shape()[1];
  const Rows tokens(
      op.token.data<float>(), op.token.shape(), op.token_rows.first);
  const std::int32_t* const ids = op.ids.data<std::int32_t>();
  for (std::int64_t n = first; n < last; ++n) {
    float* const y = op.y.data<float>() + n * C;
    if (const float* const token = tokens[ids[n]]) {
      std::copy(token, token + C, y);
    } else {
      std::fill(y, y + C, 0.0F);
    }
    if (op.position) {
      const float* const position =
          op.position.data<float>() + op.positions.data<std::int32_t>()[n] * C;
      for (std::int64_t c = 0; c < C; ++c) {
        y[c] += position[c];
      }
    }
  }
}

// Columns [first, last) of d_table[indices[n]] += d_y[n], in the order of n.
void add_rows(const EmbeddingBackward& op,
              std::int64_t first,
              std::int64_t last) {
  const auto [N, C] = op.d_y.dims<2>("d_y");
  const Rows table(op.d_table.data<float>(), op.d_table.shape(), op.rows.first);
  const std::int32_t* const index = op.indices.data<std::int32_t>();
  for (std::int64_t n = 0; n < N; ++n) {
    float* const to = table[index[n]];
    if (to == nullptr) {
      continue;
    }
    const float* const from = op.d_y.data<float>() + n * C;
    for (std::int64_t c = first; c < last; ++c) {
      to[c] += from[c];
    }
  }
}

}  // namespace

void run(OnCpu, Stream& stream, const Embedding& op) {
  check_indices("ids", op.ids, op.token_rows.all);
  if (op.position) {
    check_indices("positions", op.positions, op.position.shape()[0]);
  }
  parallel_ranges(
      stream,
      op.y.shape()[0],
      {.elements_per_item = op.y.shape()[1]},
      [&](std::int64_t first, std::int64_t last) { look_up(op, first, last); });
}

// Threads share the columns, so that rows with the same index are added in
// order.
void run(OnCpu, Stream& stream, const EmbeddingBackward& op) {
  check_indices("indices", op.indices, op.rows.all);
  parallel_ranges(stream,
                  op.d_y.shape()[1],
                  {.unit = 16, .elements_per_item = op.d_y.shape()[0]},
                  [&](std::int64_t first, std::int64_t last) {
                    add_rows(op, first, last);
                  });
}

}  // namespace dure::kernels
