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

// table[indices[n]] += d_y[n], columns [first, last), in the order of n.
void add_rows(Tensor table,
              ConstTensor indices,
              ConstTensor d_y,
              std::int64_t first,
              std::int64_t last) {
  const auto [N, C] = d_y.dims<2>("d_y");
  const std::int32_t* const index = indices.data<std::int32_t>();
  for (std::int64_t n = 0; n < N; ++n) {
    float* const to = table.data() + index[n] * C;
    const float* const from = d_y.data() + n * C;
    for (std::int64_t c = first; c < last; ++c) {
      to[c] += from[c];
    }
  }
}

}  // namespace

void run(OnCpu, Stream&, const Embedding& op) {
  const std::int64_t N = op.y.shape()[0];
  const std::int64_t C = op.y.shape()[1];
  check_indices("ids", op.ids, op.token.shape()[0]);
  if (op.position) {
    check_indices("positions", op.positions, op.position.shape()[0]);
  }
  const std::int32_t* const ids = op.ids.data<std::int32_t>();
  parallel_ranges(
      N, {.elements_per_item = C}, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t n = first; n < last; ++n) {
          float* const y = op.y.data() + n * C;
          const float* const token = op.token.data() + ids[n] * C;
          if (!op.position) {
            std::copy(token, token + C, y);
            continue;
          }
          const float* const position =
              op.position.data() + op.positions.data<std::int32_t>()[n] * C;
          for (std::int64_t c = 0; c < C; ++c) {
            y[c] = token[c] + position[c];
          }
        }
      });
}

// Threads share the columns, so that rows with the same id are added in order.
void run(OnCpu, Stream&, const EmbeddingBackward& op) {
  const std::int64_t N = op.d_y.shape()[0];
  const std::int64_t C = op.d_y.shape()[1];
  check_indices("ids", op.ids, op.d_token.shape()[0]);
  if (op.d_position) {
    check_indices("positions", op.positions, op.d_position.shape()[0]);
  }
  parallel_ranges(C,
                  {.unit = 16, .elements_per_item = N},
                  [&](std::int64_t first, std::int64_t last) {
                    add_rows(op.d_token, op.ids, op.d_y, first, last);
                    if (op.d_position) {
                      add_rows(
                          op.d_position, op.positions, op.d_y, first, last);
                    }
                  });
}

}  // namespace dure::kernels
