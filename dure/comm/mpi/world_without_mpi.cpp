// Implements world.h in a build without MPI.
#include <cstdlib>

#include "dure/comm/mpi/world.h"

namespace dure::comm {

class MpiEngine {};

bool built_with_mpi() {
  return false;
}

std::string mpi_library() {
  return "";
}

MpiWorld::MpiWorld(MpiThreads /*threads*/) {
  throw Error(
      "this dure was built without MPI: configure with Open MPI or MPICH "
      "installed (Debian: libopenmpi-dev) and DURE_WITH_MPI=ON");
}

MpiWorld::~MpiWorld() = default;

// The constructor throws, so the rest is never called.
const MpiFacts& MpiWorld::facts() const {
  std::abort();
}

std::unique_ptr<Communicator> MpiWorld::communicator(
    const Options& /*options*/) {
  std::abort();
}

void MpiWorld::finish() {
  std::abort();
}

void MpiWorld::abort(const std::string& /*message*/, int exit_code) {
  std::_Exit(exit_code);
}

}  // namespace dure::comm
