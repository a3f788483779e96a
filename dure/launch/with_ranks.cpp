#include "dure/launch/with_ranks.h"

#include <chrono>
#include <cstdlib>
#include <omp.h>
#include <thread>

#include "dure/base/check.h"
#include "dure/base/error_text.h"
#include "dure/comm/error.h"
#include "dure/comm/mpi/world.h"
#include "dure/comm/self/self_communicator.h"
#include "dure/launch/run_ranks.h"

namespace dure::launch {
namespace {

using Body = std::function<void(comm::Communicator&)>;

constexpr std::chrono::seconds kFirstRanksTurn{10};

// Without such a variable MPI would end the process with a message of its own.
bool speaks_pmi(const Environment& environment) {
  const auto first = environment.lower_bound("PMI");
  return first != environment.end() && first->first.starts_with("PMI");
}

// For messages: how many processes there are.
std::string count_of(const Launcher& launcher) {
  return launcher.world == kNotTold ? "several"
                                    : std::to_string(launcher.world);
}

void check_launcher(const RankOptions& options,
                    const Environment& environment,
                    const Launcher& launcher) {
  if (options.threads.has_value()) {
    throw UsageError(concat("--ranks ",
                            *options.threads,
                            " asks for threads, but ",
                            launcher.name,
                            " has started ",
                            count_of(launcher),
                            " processes: leave out one of the two"));
  }
  if (!launcher.speaks_mpi) {
    throw UsageError(
        concat(launcher.name,
               " has started ",
               launcher.world,
               " processes that do not know of one another. Start dure by "
               "mpirun -n ",
               launcher.world,
               " or srun -n ",
               launcher.world));
  }
  if (launcher.name == kSlurm && !speaks_pmi(environment)) {
    check_world(launcher, 1);
  }
  if (!comm::built_with_mpi()) {
    throw UsageError(concat(launcher.name,
                            " has started ",
                            count_of(launcher),
                            " processes, but this dure was built without MPI: "
                            "install libopenmpi-dev and build again, or use "
                            "--ranks"));
  }
}

// With options that can't differ, as those of the ranks might.
void compare(comm::MpiWorld& world, const RankOptions& options) {
  if (options.facts) {
    comm::expect_same(*world.communicator({}), options.facts());
  }
}

// Of a rank that is a process.
void set_threads(const RankOptions& options) {
  if (options.threads_of_rank > 0) {
    omp_set_num_threads(options.threads_of_rank);
  }
  check_threads(1, omp_get_max_threads());
}

void run_process(const RankOptions& options,
                 const Launcher& launcher,
                 const Body& body) {
  comm::MpiWorld world;
  check_world(launcher, world.facts().size);
  try {
    compare(world, options);
    set_threads(options);
    const auto communicator = world.communicator(options.comm);
    body(*communicator);
  } catch (const comm::Aborted& error) {  // whose first rank has said why
    world.abort(error.what(), 1);
  } catch (const UsageError& error) {
    // All ranks find the same: the first one says it, and takes them down.
    if (launcher.rank != 0) {
      std::this_thread::sleep_for(kFirstRanksTurn);
    }
    options.report(error.what());
    world.abort(error.what(), 2);
  } catch (const std::exception& error) {
    const std::string message = message_of(error);
    options.report(concat("rank ", launcher.rank, ": ", message));
    world.abort(message, 1);
  }
  world.finish();
}

}  // namespace

void with_ranks(const RankOptions& options,
                const Environment& environment,
                const Body& body) {
  const std::optional<Launcher> launcher = launcher_of(environment);
  if (launcher.has_value() && launcher->world != 1) {
    check_launcher(options, environment, *launcher);
    return run_process(options, *launcher, body);
  }
  if (options.threads.has_value()) {
    return run_ranks({.ranks = *options.threads,
                      .comm = options.comm,
                      .threads = options.threads_of_rank,
                      .on_stuck =
                          [&](const std::string& text) {
                            options.report(text);
                            std::_Exit(1);
                          }},
                     body);
  }
  set_threads(options);
  const auto alone = comm::make_self_communicator(options.comm);
  body(*alone);
}

}  // namespace dure::launch
