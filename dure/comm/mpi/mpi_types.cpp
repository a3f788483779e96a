#include "dure/comm/mpi/mpi_types.h"

#include <climits>

#include "dure/comm/error.h"

namespace dure::comm {

MPI_Datatype mpi_type(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return MPI_FLOAT;
    case DType::kF64:
      return MPI_DOUBLE;
    case DType::kI32:
      return MPI_INT32_T;
    case DType::kI64:
      return MPI_INT64_T;
    case DType::kBf16:  // only carried
    case DType::kF16:
    case DType::kU16:
      return MPI_UINT16_T;
    case DType::kU8:
      break;
  }
  return MPI_UINT8_T;
}

MPI_Op mpi_op(Reduction reduction) {
  switch (reduction) {
    case Reduction::kProduct:
      return MPI_PROD;
    case Reduction::kMin:
      return MPI_MIN;
    case Reduction::kMax:
      return MPI_MAX;
    case Reduction::kSum:
    case Reduction::kAverage:  // divided afterwards
      break;
  }
  return MPI_SUM;
}

int as_int(std::int64_t elements) {
  if (elements > INT_MAX) {
    throw Unsupported(
        "MPI's own collectives take at most {} elements, not {}: "
        "choose an algorithm such as ring",
        INT_MAX,
        elements);
  }
  return static_cast<int>(elements);
}

Layout layout_of(const Counts& counts) {
  Layout layout;
  std::int64_t offset = 0;
  for (const std::int64_t count : counts) {
    layout.counts.push_back(as_int(count));
    layout.offsets.push_back(as_int(offset));
    offset += count;
  }
  return layout;
}

}  // namespace dure::comm
