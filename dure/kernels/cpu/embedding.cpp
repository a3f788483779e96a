#include "dure/kernels/embedding.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <vector>

#include "dure/kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "dure/kernels/cpu/embedding.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "dure/kernels/cpu/parallel.h"
#include "dure/kernels/cpu/vector_loop-inl.h"
#include "dure/tensor/element_type.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// The addresses of a table's rows; null for rows that it does not have.
template <typename Element>
class Rows {
 public:
  Rows(Element* data, const Shape& table, std::int64_t first)
      : data_(data), held_(table[0]), C_(table[1]), first_(first) {}

  Element* operator[](std::int64_t index) const {
    const std::int64_t row = index - first_;
    return row >= 0 && row < held_ ? data_ + row * C_ : nullptr;
  }

 private:
  Element* data_;
  std::int64_t held_;
  std::int64_t C_;
  std::int64_t first_;
};

// y = token + position; either may be null.
template <typename Compute, typename Residual>
HWY_INLINE void add_two(const Compute* token,
                        const Compute* position,
                        std::int64_t C,
                        Residual* y) {
  for_each_vector(0, C, [&](std::int64_t c, auto part) HWY_ATTR {
    Vector sum = token != nullptr ? part.load(token + c) : hn::Zero(Floats());
    if (position != nullptr) {
      sum = hn::Add(sum, part.load(position + c));
    }
    part.store(sum, y + c);
  });
}

template <typename Compute, typename Residual>
void look_up_rows(const Embedding& op, std::int64_t first, std::int64_t last) {
  const std::int64_t C = op.y.shape()[1];
  const Rows tokens(
      op.token.data<Compute>(), op.token.shape(), op.token_rows.first);
  const std::int32_t* const ids = op.ids.data<std::int32_t>();
  for (std::int64_t n = first; n < last; ++n) {
    const Compute* const position =
        op.position ? op.position.data<Compute>() +
                          op.positions.data<std::int32_t>()[n] * C
                    : nullptr;
    add_two(tokens[ids[n]], position, C, op.y.data<Residual>() + n * C);
  }
}

void look_up(const Embedding& op, std::int64_t first, std::int64_t last) {
  with_type_or_f32(op.token.dtype(),
                   op.y.dtype(),
                   [&](auto compute, auto residual) HWY_ATTR {
                     look_up_rows<decltype(compute), decltype(residual)>(
                         op, first, last);
                   });
}

// Adds d_y[n] to the columns of d_table[indices[n]], for n in this order. If an
// index comes several times in a row, the sum of its rows is rounded once.
template <typename Element, typename Sum>
void add_rows(const EmbeddingBackward& op,
              std::span<const std::int32_t> order,
              Range columns) {
  const std::int64_t C = op.d_y.shape()[1];
  const Rows table(op.d_table.data<Sum>(), op.d_table.shape(), op.rows.first);
  const Element* const d_y = op.d_y.data<Element>();
  const std::int32_t* const index = op.indices.data<std::int32_t>();
  for (auto next = order.begin(); next != order.end();) {
    const auto first = next;
    next = std::find_if(first, order.end(), [&](std::int32_t n) {
      return index[n] != index[*first];
    });
    Sum* const to = table[index[*first]];
    if (to == nullptr) {
      continue;
    }
    for_each_vector(
        columns.first, columns.last, [&](std::int64_t c, auto part) HWY_ATTR {
          Vector sum = part.load(to + c);
          for (auto n = first; n != next; ++n) {
            sum = hn::Add(sum, part.load(d_y + *n * C + c));
          }
          part.store(sum, to + c);
        });
  }
}

void add_columns(const EmbeddingBackward& op,
                 std::span<const std::int32_t> order,
                 Range columns) {
  with_one_half_type(
      op.d_y.dtype(), op.d_table.dtype(), [&](auto element, auto sum) HWY_ATTR {
        add_rows<decltype(element), decltype(sum)>(op, order, columns);
      });
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dure::kernels {
namespace {

HWY_EXPORT(look_up);
HWY_EXPORT(add_columns);

// Checks before any row is touched, and not on the threads, because an Error
// must not leave a thread.
void check_indices(const char* name,
                   ConstTensor indices,
                   std::int64_t table_rows) {
  const std::int32_t* const index = indices.data<std::int32_t>();
  for (std::int64_t n = 0; n < indices.elements(); ++n) {
    DURE_CHECK(index[n] >= 0 && index[n] < table_rows,
               "{}[{}] is {}, wanted 0 to {}",
               name,
               n,
               index[n],
               table_rows - 1);
  }
}

// The order in which rows are added.
struct RowOrder {
  std::vector<std::int32_t> rows;
  std::vector<std::int32_t> ends;  // of the rows of an index, in `rows`
};

// All rows as they come.
void order_as_they_come(std::int64_t N, RowOrder& order) {
  order.rows.resize(static_cast<std::size_t>(N));
  std::iota(order.rows.begin(), order.rows.end(), 0);
}

// The rows whose index the table has, grouped by index, and as they come within
// an index: a counting sort, whose time is that of two walks over the indices
// and one over the table's rows.
void group_by_index(const EmbeddingBackward& op, RowOrder& order) {
  const std::int64_t V = op.d_table.shape()[0];
  const std::span<const std::int32_t> indices(
      op.indices.data<std::int32_t>(),
      static_cast<std::size_t>(op.indices.elements()));
  // Calls body(n, v) where the table's row v is of indices[n].
  const auto for_each_held = [&](const auto& body) {
    for (std::size_t n = 0; n < indices.size(); ++n) {
      const std::int64_t v = indices[n] - op.rows.first;
      if (v >= 0 && v < V) {
        body(static_cast<std::int32_t>(n), static_cast<std::size_t>(v));
      }
    }
  };
  std::vector<std::int32_t>& ends = order.ends;
  ends.assign(static_cast<std::size_t>(V) + 1, 0);
  for_each_held([&](std::int32_t, std::size_t v) { ++ends[v + 1]; });
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  order.rows.resize(static_cast<std::size_t>(ends.back()));
  // ends[v] is where the rows of v begin until they are all there.
  for_each_held([&](std::int32_t n, std::size_t v) {
    order.rows[static_cast<std::size_t>(ends[v]++)] = n;
  });
}

// Sums that are rounded are made index by index. The stream keeps the memory.
std::span<const std::int32_t> order_of(Stream& stream,
                                       const EmbeddingBackward& op) {
  auto& order = stream.kept<RowOrder>();
  if (is_half(op.d_table.dtype())) {
    group_by_index(op, order);
  } else {
    order_as_they_come(op.indices.elements(), order);
  }
  return order.rows;
}

}  // namespace

void run(OnCpu, Stream& stream, const Embedding& op) {
  check_indices("ids", op.ids, op.token_rows.all);
  if (op.position) {
    check_indices("positions", op.positions, op.position.shape()[0]);
  }
  parallel_ranges(stream,
                  op.y.shape()[0],
                  {.elements_per_item = op.y.shape()[1]},
                  [&](std::int64_t first, std::int64_t last) {
                    HWY_DYNAMIC_DISPATCH(look_up)(op, first, last);
                  });
}

// Threads divide the columns, so rows with the same index are added in order.
void run(OnCpu, Stream& stream, const EmbeddingBackward& op) {
  check_indices("indices", op.indices, op.rows.all);
  const std::span<const std::int32_t> order = order_of(stream, op);
  parallel_ranges(stream,
                  op.d_y.shape()[1],
                  {.unit = 16, .elements_per_item = op.d_y.shape()[0]},
                  [&](std::int64_t first, std::int64_t last) {
                    HWY_DYNAMIC_DISPATCH(add_columns)
                    (op, order, {first, last});
                  });
}

}  // namespace dure::kernels
#endif
