#include "dure/comm/mpi/procedure.h"

namespace dure::comm {

bool has_procedure(const Request& request) {
  switch (request.how.algorithm) {
    case Algorithm::kAutomatic:
    case Algorithm::kDirect:
      return true;
    default:
      return request.kind == Kind::kSend || request.kind == Kind::kRecv;
  }
}

std::unique_ptr<Procedure> make_procedure(const Request& request,
                                          Channel& channel) {
  return make_direct(request, channel);
}

}  // namespace dure::comm
