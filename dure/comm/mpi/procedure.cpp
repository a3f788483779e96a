#include "dure/comm/mpi/procedure.h"

#include "dure/comm/algorithm/choose.h"
#include "dure/comm/algorithm/plan.h"

namespace dure::comm {
namespace {

// Up to this size latency dominates.
constexpr double kSmallBytes = 4096;

// The choice is the same on all ranks, because it depends only on what they
// agree on. Measured with Open MPI 4.1.4 on two ranks of one machine: its own
// reductions of any size are slower than plans, from 64 MiB on more than twice
// (all_reduce 140 ms and 53 ms); everything else is as fast, but not safe
// (trusts_sizes). Large sums of 16-bit numbers go by parts (direct.cpp), which
// send 16 bits, while a ring sends partial sums in f32.
Algorithm algorithm_of(const Request& request, int ranks) {
  if (request.how.algorithm != Algorithm::kAutomatic) {
    return request.how.algorithm;
  }
  const double bytes = static_cast<double>(elements_of(request)) *
                       static_cast<double>(size_of(request.dtype()));
  if (is_reduction(request.kind) && is_half(request.dtype()) &&
      bytes > kSmallBytes) {
    return Algorithm::kDirect;
  }
  return choose(request.kind, bytes, ranks, order_of(request));
}

}  // namespace

bool has_procedure(const Request& request) {
  const Algorithm algorithm = request.how.algorithm;
  return is_message(request.kind) || algorithm == Algorithm::kAutomatic ||
         algorithm == Algorithm::kDirect ||
         has_plan(request.kind, algorithm, order_of(request));
}

bool trusts_sizes(const Request& request, int ranks) {
  return algorithm_of(request, ranks) == Algorithm::kDirect &&
         request.kind != Kind::kBarrier;
}

std::unique_ptr<Procedure> make_procedure(Request& request, Channel& channel) {
  request.how.algorithm = algorithm_of(request, channel.size());
  return request.how.algorithm == Algorithm::kDirect
             ? make_direct(request, channel)
             : make_planned(request, channel);
}

}  // namespace dure::comm
