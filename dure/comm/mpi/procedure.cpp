#include "dure/comm/mpi/procedure.h"

#include "dure/comm/plan.h"

namespace dure::comm {
namespace {

bool is_direct(Algorithm algorithm) {
  return algorithm == Algorithm::kAutomatic || algorithm == Algorithm::kDirect;
}

}  // namespace

bool has_procedure(const Request& request) {
  return request.kind == Kind::kSend || request.kind == Kind::kRecv ||
         is_direct(request.how.algorithm) ||
         has_plan(request.kind, request.how.algorithm, order_of(request));
}

std::unique_ptr<Procedure> make_procedure(const Request& request,
                                          Channel& channel) {
  return is_direct(request.how.algorithm) ? make_direct(request, channel)
                                          : make_planned(request, channel);
}

}  // namespace dure::comm
