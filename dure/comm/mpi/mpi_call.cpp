#include "dure/comm/mpi/mpi_call.h"

#include <string>

#include "dure/base/check.h"

namespace dure::comm {

void check_mpi(int code, const char* call) {
  if (code == MPI_SUCCESS) {
    return;
  }
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  const std::string name(call);
  fail("{}: {}", name.substr(0, name.find('(')), text);
}

}  // namespace dure::comm
