#include "dure/parallel/tensor/tensor_axis.h"

#include "dure/base/check.h"

namespace dure::parallel {

std::int64_t TensorAxis::stream_rows(std::int64_t N) const {
  if (rows == Rows::kWhole) {
    return N;
  }
  DURE_CHECK(N % ranks->size() == 0,
             "sequence parallelism: wanted a multiple of {} rows, one part a "
             "tensor rank, got {}",
             ranks->size(),
             N);
  return N / ranks->size();
}

std::int64_t TensorAxis::all_rows(std::int64_t stream_rows) const {
  return rows == Rows::kWhole ? stream_rows : stream_rows * ranks->size();
}

RowRange TensorAxis::own(std::int64_t N) const {
  if (rows == Rows::kWhole) {
    return {0, N};
  }
  const std::int64_t count = stream_rows(N);
  return {ranks->rank() * count, count};
}

RowRange TensorAxis::completed(std::int64_t N) const {
  if (rows == Rows::kWhole && ranks->rank() > 0) {
    return {0, 0};
  }
  return own(N);
}

}  // namespace dure::parallel
