// How a collective is carried out: steps that never block.
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
  // Takes back what it can.
  virtual void abandon() noexcept = 0;
};

// Access the algorithm that the request names; if it leaves that open, one is
// chosen and entered. kDirect is MPI's own collectives (direct.cpp), any other
// a plan (planned.cpp). The request outlives the procedure.
std::unique_ptr<Procedure> make_procedure(Request& request, Channel& channel);

// Whether it uses MPI's own collectives, which trust that sizes agree: if they
// do not, Open MPI writes beyond buffers.
bool trusts_sizes(const Request& request, int ranks);

// Whether make_procedure() supports the request.
bool has_procedure(const Request& request);

// Access MPI's own collectives.
std::unique_ptr<Procedure> make_direct(const Request& request,
                                       Channel& channel);

// Uses a plan, which must exist (plan.h).
std::unique_ptr<Procedure> make_planned(const Request& request,
                                        Channel& channel);

}  // namespace dure::comm
