// Runs a command on its ranks, wherever they are.
#pragma once

#include <exception>
#include <functional>
#include <optional>
#include <string>

#include "dure/comm/communicator.h"
#include "dure/comm/same.h"
#include "dure/launch/environment.h"

namespace dure::launch {

struct LaunchOptions {
  std::optional<int> threads = {};  // so many ranks as threads of this process
  int threads_of_rank = 0;          // 0: as many as its cores
  comm::Options comm = {};
  // An error that this process met before, in its command or its configuration.
  // If it is set, nothing runs.
  std::exception_ptr failure = {};
  // Facts that all processes must share, such as their configuration. They are
  // compared before anything is built from them.
  std::function<comm::Facts()> facts = {};
  // Throws UsageError, on all ranks alike, if the command can't run on so many
  // ranks. If empty, any number will do.
  std::function<void(int ranks)> check = {};
  // Prints an error of this process. It is called before the other ranks end.
  std::function<void(const std::string&)> report = {};
};

// The first of several processes has already reported the error that all of
// them found; only the exit code is left.
struct AlreadySaid {
  int exit_code = 1;
};

// Runs `body` on every rank that lives in this process: on threads, if so many
// are asked for; as one of the processes that mpirun or srun started; else
// alone. With threads, the first rank's error is thrown (run_ranks.h). With
// processes, it is reported, and all processes end with exit code 1, or 2 for
// wrong usage. An error that all of them find before `body` (their facts
// differ, or launcher, MPI and options do not go together) is reported by the
// first one, and AlreadySaid is thrown.
void with_ranks(const LaunchOptions& options,
                const Environment& environment,
                const std::function<void(comm::Communicator&)>& body);

}  // namespace dure::launch
