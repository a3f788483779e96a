// How a collective goes about it: steps that never block.
#pragma once

#include <memory>

#include "dure/comm/collective.h"
#include "dure/comm/mpi/channel.h"

namespace dure::comm {

class Procedure {
 public:
  Procedure() = default;
  Procedure(const Procedure&) = delete;
  Procedure& operator=(const Procedure&) = delete;
  virtual ~Procedure() = default;

  // Posts and tests what it can; true when done.
  virtual bool advance() = 0;
  // Takes back what can be taken back.
  virtual void abandon() noexcept = 0;
};

// By the algorithm that the request names, or by one that it is given here
// where it leaves that open: kDirect is MPI's own collectives (direct.cpp), any
// other a plan (planned.cpp). The request outlives the procedure.
std::unique_ptr<Procedure> make_procedure(Request& request, Channel& channel);

// Whether that will be by MPI's own collectives, which trust in it that sizes
// agree: where they do not, Open MPI writes beyond buffers.
bool trusts_sizes(const Request& request, int ranks);

// Whether make_procedure() has one.
bool has_procedure(const Request& request);

// By MPI's own collectives.
std::unique_ptr<Procedure> make_direct(const Request& request,
                                       Channel& channel);

// By a plan, which there must be (plan.h).
std::unique_ptr<Procedure> make_planned(const Request& request,
                                        Channel& channel);

}  // namespace dure::comm
