// A command on its ranks, wherever they are.
#pragma once

#include <exception>
#include <functional>
#include <optional>
#include <string>

#include "dure/comm/communicator.h"
#include "dure/comm/same.h"
#include "dure/launch/environment.h"

namespace dure::launch {

struct RankOptions {
  std::optional<int> threads = {};  // so many ranks as threads of this process
  int threads_of_rank = 0;          // 0: as many as its cores
  comm::Options comm = {};
  // What this process has found wrong before it came here, with its command or
  // its configuration. Nothing runs then. Null: nothing.
  std::exception_ptr failure = {};
  // What processes must have been started with alike: compared before anything
  // is built from it. None: nothing.
  std::function<comm::Facts()> facts = {};
  // Throws UsageError where these are not to run on so many ranks, on all of
  // them alike. None: any number will do.
  std::function<void(int ranks)> check = {};
  // Prints an error of this process. It is called before the other ranks' end.
  std::function<void(const std::string&)> report = {};
};

// The first of several processes has reported what all of them found: what is
// left is to end with the exit code.
struct AlreadySaid {
  int exit_code = 1;
};

// Runs `body` on every rank that lives in this process: on threads, if so many
// are asked for; as one of the processes that mpirun or srun started; else
// alone. Threads: the first rank's error is thrown (run_ranks.h). Processes:
// it is reported, and all processes end with exit code 1, or 2 for wrong usage.
// What all of them find alike before `body` (that their facts differ; that
// launcher, MPI and options do not go together) the first one reports, and
// AlreadySaid is thrown.
void with_ranks(const RankOptions& options,
                const Environment& environment,
                const std::function<void(comm::Communicator&)>& body);

}  // namespace dure::launch
