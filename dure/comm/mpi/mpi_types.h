// Our types, reductions and parts as MPI has them.
#pragma once

#include <vector>

#include "dure/comm/collective.h"
#include "dure/comm/mpi/mpi_call.h"

namespace dure::comm {

// bf16 and f16, which MPI lacks, are carried as 16 bits.
MPI_Datatype mpi_type(DType dtype);

// kAverage: the sum.
MPI_Op mpi_op(Reduction reduction);

// Throws Unsupported where MPI, which counts in int, can't.
int as_int(std::int64_t elements);

struct Layout {
  std::vector<int> counts;
  std::vector<int> offsets;
};
Layout layout_of(const Counts& counts);

}  // namespace dure::comm
