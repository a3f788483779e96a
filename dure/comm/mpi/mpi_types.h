// Our types, reductions and parts in MPI's terms.
#pragma once

#include <vector>

#include "dure/comm/collective.h"
#include "dure/comm/mpi/mpi_call.h"

namespace dure::comm {

// bf16 and f16, which MPI lacks, are carried as 16 bits.
MPI_Datatype mpi_type(DType dtype);

// kAverage is MPI's sum.
MPI_Op mpi_op(Reduction reduction);

// Throws Unsupported if MPI can't count so many, as it counts in int.
int as_int(std::int64_t elements);

struct Layout {
  std::vector<int> counts;
  std::vector<int> offsets;
};
Layout layout_of(const Counts& counts);

}  // namespace dure::comm
