#include "dure/launch/with_ranks.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <fmt/core.h>
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
#include "dure/launch/cores.h"
#include "dure/launch/run_ranks.h"
#include "dure/launch/share_cores.h"

namespace dure::launch {
namespace {

using Body = std::function<void(comm::Communicator&)>;

constexpr std::chrono::seconds kFirstRanksTurn{10};
constexpr std::chrono::seconds kFirstWord{2};

// Whether there is a PMI variable. Without one MPI would end the process with a
// message of its own.
bool speaks_pmi(const Environment& environment) {
  const auto first = environment.lower_bound("PMI");
  return first != environment.end() && first->first.starts_with("PMI");
}

// The number of processes, for messages.
std::string count_of(const Launcher& launcher) {
  return launcher.world == kNotTold ? "several"
                                    : std::to_string(launcher.world);
}

void check_launcher(const LaunchOptions& options,
                    const Environment& environment,
                    const Launcher& launcher) {
  if (options.threads.has_value()) {
    throw UsageError(
        "--ranks {} asks for threads, but {} has started {} "
        "processes: leave out one of the two",
        *options.threads,
        launcher.name,
        count_of(launcher));
  }
  if (!launcher.speaks_mpi) {
    throw UsageError(
        "{} has started {} processes that do not know of one "
        "another. Start dure by mpirun -n {} or srun -n {}",
        launcher.name,
        launcher.world,
        launcher.world,
        launcher.world);
  }
  if (launcher.name == kSlurm && !speaks_pmi(environment)) {
    check_world(launcher, 1);
  }
  if (!comm::built_with_mpi()) {
    throw UsageError(
        "{} has started {} processes, but this dure was built without MPI: "
        "install libopenmpi-dev and build again, or use --ranks",
        launcher.name,
        count_of(launcher));
  }
}

std::string text_of(const std::exception_ptr& failure) {
  if (failure == nullptr) {
    return "nothing";
  }
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    return message_of(error);
  }
}

int exit_code_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const UsageError&) {
    return 2;
  } catch (...) {
    return 1;
  }
}

// The error that all processes find alike, if there is one. A check of
// collectives can't differ, as those of the ranks might.
std::exception_ptr common_failure(comm::MpiWorld& world,
                                  const LaunchOptions& options) {
  const comm::Options alike = {.timeout_seconds = options.comm.timeout_seconds,
                               .check = comm::Check::kOff};
  const auto ranks = world.communicator(alike);
  try {
    comm::expect_same(*ranks,
                      {{"what is wrong with their command or configuration",
                        text_of(options.failure)}});
    if (options.failure != nullptr) {
      return options.failure;
    }
    if (options.facts) {
      comm::expect_same(*ranks, options.facts());
    }
    if (options.check) {
      options.check(ranks->size());
    }
  } catch (const UsageError&) {
    return std::current_exception();
  }
  return nullptr;
}

// Watches until its destruction whether MPI starts. Starting takes until all
// processes have come, and nothing can interrupt it. So the watch reports that
// they have not come, and if that takes longer than a collective may, it ends
// this process.
class StartWatch {
 public:
  StartWatch(const LaunchOptions& options, const Launcher& launcher)
      : thread_([&](const std::stop_token& stop) {
          watch(options, launcher, stop);
        }) {}

 private:
  // Whether MPI starts within so many seconds.
  static bool has_started(const std::stop_token& stop, double seconds) {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any started;
    return started.wait_for(
        lock, stop, std::chrono::duration<double>(seconds), [&] {
          return stop.stop_requested();
        });
  }

  static void watch(const LaunchOptions& options,
                    const Launcher& launcher,
                    const std::stop_token& stop) {
    const double all = options.comm.timeout_seconds;
    const double first = std::min(all, kFirstWordSeconds);
    if (has_started(stop, first)) {
      return;
    }
    const std::string who = fmt::format(
        "all {} processes of {}", count_of(launcher), launcher.name);
    if (options.comm.say) {
      options.comm.say(fmt::format(
          "waiting for {} to start MPI, {:g} s so far", who, first));
    }
    if (!has_started(stop, all - first)) {
      options.report(fmt::format(
          "rank {}: not {} have started MPI within {:g} s (comm.timeout): one "
          "of them has ended before, or runs something else than this command",
          launcher.rank,
          who,
          all));
      std::_Exit(1);
    }
  }

  static constexpr double kFirstWordSeconds = 10;

  std::jthread thread_;
};

// The options of a rank that is one of several processes with the same cores.
// It has as many threads as asked for, by the options or by OpenMP's variable,
// else its share of those that can run at once.
comm::Options with_threads(const LaunchOptions& options,
                           const Environment& environment,
                           int sharers) {
  comm::Options comm = options.comm;
  comm.threads = options.threads_of_rank;
  if (comm.threads == 0) {
    comm.threads = threads_wanted(environment)
                       .value_or(std::max(1, usable_processors() / sharers));
  }
  check_threads(1, comm.threads);
  return comm;
}

// The options of one of several processes, which divide their host's cores.
comm::Options with_share(comm::MpiWorld& world,
                         const LaunchOptions& options,
                         const Environment& environment) {
  const CoreShare share =
      share_cores(*world.communicator({}), world.facts().nodes);
  comm::Options comm = with_threads(options, environment, share.sharers);
  keep_to(neighbourhoods({share.cores}).front());
  return comm;
}

void run_process(const LaunchOptions& options,
                 const Environment& environment,
                 const Launcher& launcher,
                 const Body& body) {
  std::optional<StartWatch> watch(std::in_place, options, launcher);
  comm::MpiWorld world;
  watch.reset();
  check_world(launcher, world.facts().size);
  std::exception_ptr failure;
  try {
    failure = common_failure(world, options);
    if (failure == nullptr) {
      const auto communicator =
          world.communicator(with_share(world, options, environment));
      body(*communicator);
    }
  } catch (const comm::Aborted& error) {  // the first rank has printed why
    world.abort(error.what(), 1);
  } catch (const UsageError& error) {
    // All ranks find the same; the first one prints it and ends the others.
    if (launcher.rank != 0) {
      std::this_thread::sleep_for(kFirstRanksTurn);
    }
    options.report(error.what());
    world.abort(error.what(), 2);
  } catch (const std::exception& error) {
    const std::string message = message_of(error);
    options.report(fmt::format("rank {}: {}", launcher.rank, message));
    world.abort(message, 1);
  }
  if (failure != nullptr && launcher.rank == 0) {
    options.report(text_of(failure));
  }
  world.finish();  // the others wait here until it is printed
  if (failure != nullptr) {
    throw AlreadySaid{exit_code_of(failure)};
  }
}

// Runs threads of this process, or this process alone.
void run_here(const LaunchOptions& options,
              const Environment& environment,
              const Body& body) {
  if (options.failure != nullptr) {
    std::rethrow_exception(options.failure);
  }
  if (options.check) {
    options.check(options.threads.value_or(1));
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
      comm::make_self_communicator(with_threads(options, environment, 1));
  body(*alone);
}

}  // namespace

void with_ranks(const LaunchOptions& options,
                const Environment& environment,
                const Body& body) {
  const std::optional<Launcher> launcher = launcher_of(environment);
  if (!launcher.has_value() || launcher->world == 1) {
    const std::string foreign = foreign_ranks(environment);
    if (!foreign.empty() && options.comm.say) {
      options.comm.say(foreign);
    }
    return run_here(options, environment, body);
  }
  try {
    check_launcher(options, environment, *launcher);
    run_process(options, environment, *launcher, body);
  } catch (const UsageError& error) {  // of launcher and MPI: all find the same
    if (launcher->rank == 0) {
      options.report(error.what());
    } else {  // the first rank ends the run
      std::this_thread::sleep_for(kFirstWord);
    }
    throw AlreadySaid{2};
  }
}

}  // namespace dure::launch
