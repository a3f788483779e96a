#include "dure/launch/with_ranks.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "dure/base/check.h"
#include "dure/base/error_text.h"
#include "dure/base/limits.h"
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

// With a check that can't differ, as those of the ranks might.
void compare(comm::MpiWorld& world, const RankOptions& options) {
  if (options.facts) {
    const comm::Options alike = {
        .timeout_seconds = options.comm.timeout_seconds,
        .check = comm::Check::kOff};
    comm::expect_same(*world.communicator(alike), options.facts());
  }
}

// Until it is destroyed: MPI starts, which takes until all processes have come,
// and nothing can call it back. So it is said that they have not, and where
// that takes longer than a collective may, this process ends.
class StartWatch {
 public:
  StartWatch(const RankOptions& options, const Launcher& launcher)
      : thread_([&](const std::stop_token& stop) {
          watch(options, launcher, stop);
        }) {}

 private:
  // Whether MPI has started within so many seconds.
  static bool has_started(const std::stop_token& stop, double seconds) {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any started;
    return started.wait_for(
        lock, stop, std::chrono::duration<double>(seconds), [&] {
          return stop.stop_requested();
        });
  }

  static void watch(const RankOptions& options,
                    const Launcher& launcher,
                    const std::stop_token& stop) {
    const double all = options.comm.timeout_seconds;
    const double first = std::min(all, kFirstWordSeconds);
    if (has_started(stop, first)) {
      return;
    }
    const std::string who =
        concat("all ", count_of(launcher), " processes of ", launcher.name);
    if (options.comm.say) {
      options.comm.say(
          concat("waiting for ", who, " to start MPI, ", first, " s so far"));
    }
    if (!has_started(stop, all - first)) {
      options.report(concat("rank ",
                            launcher.rank,
                            ": not ",
                            who,
                            " have started MPI within ",
                            all,
                            " s (comm.timeout): one of them has ended before, "
                            "or runs something else than this command"));
      std::_Exit(1);
    }
  }

  static constexpr double kFirstWordSeconds = 10;

  std::jthread thread_;
};

// Of a rank that is a process: as many threads as are asked for, by the options
// or as OpenMP's programs are, else as many as may run at once.
comm::Options with_threads(const RankOptions& options,
                           const Environment& environment) {
  comm::Options comm = options.comm;
  comm.threads = options.threads_of_rank;
  if (comm.threads == 0) {
    comm.threads = threads_wanted(environment).value_or(usable_processors());
  }
  check_threads(1, comm.threads);
  return comm;
}

void run_process(const RankOptions& options,
                 const Environment& environment,
                 const Launcher& launcher,
                 const Body& body) {
  std::optional<StartWatch> watch(std::in_place, options, launcher);
  comm::MpiWorld world;
  watch.reset();
  check_world(launcher, world.facts().size);
  try {
    compare(world, options);
    const auto communicator =
        world.communicator(with_threads(options, environment));
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
    return run_process(options, environment, *launcher, body);
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
  const auto alone =
      comm::make_self_communicator(with_threads(options, environment));
  body(*alone);
}

}  // namespace dure::launch
