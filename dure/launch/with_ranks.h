// A command on its ranks, wherever they are.
#pragma once

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
  // What processes must have been started with alike: compared before anything
  // is built from it. None: nothing.
  std::function<comm::Facts()> facts = {};
  // Prints an error of this process. It is called before the other ranks' end.
  std::function<void(const std::string&)> report = {};
};

// Runs `body` on every rank that lives in this process: on threads, if so many
// are asked for; as one of the processes that mpirun or srun started; else
// alone. Threads: the first rank's error is thrown (run_ranks.h). Processes:
// it is reported, and all processes end with exit code 1, or 2 for wrong usage,
// to which it belongs that their facts differ. Throws UsageError where
// launcher, MPI and options do not go together.
void with_ranks(const RankOptions& options,
                const Environment& environment,
                const std::function<void(comm::Communicator&)>& body);

}  // namespace dure::launch
