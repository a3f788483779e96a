// MPI calls that throw. Only for the sources of this folder: the header for
// others (world.h) does without mpi.h.
#pragma once

#include <mpi.h>

namespace dure::comm {

// Throws Error with MPI's own text if `code` is not MPI_SUCCESS.
void check_mpi(int code, const char* call);

}  // namespace dure::comm

#define DURE_MPI(call) ::dure::comm::check_mpi((call), #call)
