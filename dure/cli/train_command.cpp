// `dure train`: a training run from a configuration.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fmt/core.h>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/interrupt.h"
#include "dure/base/limits.h"
#include "dure/cli/commands.h"
#include "dure/cli/config_options.h"
#include "dure/cli/rank_options.h"
#include "dure/cli/train_header.h"
#include "dure/cli/version.h"
#include "dure/comm/activity.h"
#include "dure/config/load_config.h"
#include "dure/launch/placement.h"
#include "dure/plan/check_memory.h"
#include "dure/run/run.h"

namespace dure::cli {
namespace {

struct Options {
  ConfigOptions config;
  launch::LaunchOptions ranks;
  std::string log_all_ranks;
  train::Start start = train::Start::kNew;
  bool print_config = false;
};

Log log_of(const Options& options, int rank) {
  Log::Options log;
  if (rank > 0) {  // only the first rank prints
    log.level = Log::Level::kWarning;
    log.prefix = fmt::format("[rank {}] ", rank);
  }
  if (!options.log_all_ranks.empty()) {
    log.file = fmt::format("{}/rank_{}.log", options.log_all_ranks, rank);
  }
  return Log(log);
}

// The bytes for the tensors of all ranks, on this machine or its GPU.
MemoryLimit memory_of(Device device) {
  if (device != Device::kCuda) {
    return memory_limit();
  }
  Stream stream(device);
  return make_memory(stream)->limit();
}

// The share of one of so many ranks on this machine.
plan::MemoryShare share_of(std::int64_t ranks, Device device) {
  const MemoryLimit there_is = memory_of(device);
  return {.bytes = there_is.bytes / static_cast<std::size_t>(ranks),
          .of = fmt::format("{}, {} MiB for {}{}",
                            there_is.name,
                            there_is.bytes >> 20,
                            ranks,
                            ranks == 1 ? " rank" : " ranks")};
}

// The lines before the first step, the same for all ranks. The first rank makes
// them, and the others get its error if it needs too much memory.
std::vector<std::string> header_of(comm::Communicator& world,
                                   train::Config config,
                                   const std::vector<std::string>& hosts,
                                   const Log& log) {
  if (world.rank() != 0) {
    return {};
  }
  const comm::Activity planning(world, "planning the memory");
  const plan::MemoryShare share =
      share_of(std::count(hosts.begin(), hosts.end(), hosts.front()),
               config.train.device);
  const bool simulated = config.train.device == Device::kSim;
  config.train.threads = world.options().threads;
  const std::size_t predicted =
      plan::check_memory(config, simulated ? plan::MemoryShare() : share);
  const std::size_t limit = config.memory.limit_bytes();
  if (!simulated && limit > share.bytes) {
    log.warning(
        fmt::format("memory.limit_gib = {:g} is more than a rank's share of {}",
                    config.memory.limit_gib,
                    share.of));
  }
  return lines_of({.config = config,
                   .world = world,
                   .predicted_bytes = predicted,
                   .allowed_bytes = limit > 0 ? limit : share.bytes});
}

std::string text_of(const train::LoadedConfig& loaded) {
  return fmt::format(
      "# Written by {}\n{}", version_line(), train::to_toml(loaded));
}

// The XDG base directory specification says where it is, unless DURE_CACHE
// does. If that is empty there is no cache.
Path cache_directory() {
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? std::optional<Path>()
                            : std::optional<Path>(value);
  };
  if (const auto own = variable("DURE_CACHE")) {
    return *own;
  }
  const Path of_all = variable("XDG_CACHE_HOME").value_or(Path());
  if (of_all.is_absolute()) {
    return of_all / "dure";
  }
  const Path home = variable("HOME").value_or(Path());
  return home.empty() ? Path() : home / ".cache" / "dure";
}

void train_on(comm::Communicator& world,
              const Options& options,
              train::LoadedConfig loaded,
              const StopRequest& stop) {
  train::take_ranks(loaded, world.size());
  const std::vector<std::string> hosts = launch::hosts_of(world);
  std::vector<std::string> header =
      header_of(world, loaded.config, hosts, log_of(options, world.rank()));
  const launch::Placement placement = launch::place_ranks(
      world, train::mesh_of(loaded.config.parallel, world.size()), hosts);
  comm::Communicator& placed =
      placement.world != nullptr ? *placement.world : world;
  const Log log = log_of(options, placed.rank());
  if (!placement.warning.empty() && placed.rank() == 0) {
    log.warning(placement.warning);
  }
  // A rank that does not answer within some seconds then will not answer.
  comm::Options last_words = placed.options();
  last_words.timeout_seconds = std::min(last_words.timeout_seconds, 30.0);
  const auto twin = placed.twin(last_words);
  train::run_training(loaded.config,
                      {.start = options.start,
                       .config_text = placed.rank() == 0 ? text_of(loaded) : "",
                       .written_by = version_line(),
                       .header = std::move(header),
                       .log = log,
                       .stop = stop,
                       .cache = cache_directory(),
                       .world = &placed,
                       .twin = twin.get()});
}

// Compares values, not their origins; each rank may log elsewhere.
comm::Facts facts_of_run(const CLI::App& command, const train::Config& config) {
  comm::Facts facts = facts_of(command, {"CONFIG", "--set", "--log-all-ranks"});
  for (auto& [key, value] : train::settings_of(config)) {
    facts.emplace_back(std::move(key), std::move(value));
  }
  return facts;
}

// Takes the configuration's ranks if the options do not give them.
launch::LaunchOptions ranks_of(const Options& options,
                               const CLI::App& command,
                               const train::Config& config) {
  launch::LaunchOptions ranks = options.ranks;
  if (command.get_option("--comm-timeout")->empty()) {
    ranks.comm.timeout_seconds = config.comm.timeout;
  }
  ranks.facts = [&command, &config] { return facts_of_run(command, config); };
  if (config.comm.check) {
    ranks.comm.check = comm::Check::kOn;
  }
  ranks.threads_of_rank = static_cast<int>(config.train.threads);
  ranks.comm.flight_directory = config.log.directory;
  return ranks;
}

// All processes must learn of an error in the configuration, so that none waits
// for one that has another file, or none.
train::LoadedConfig load_for_ranks(const Options& options,
                                   std::exception_ptr& failure) {
  try {
    return load(options.config, options.start);
  } catch (const Error&) {
    failure = std::current_exception();
    return {};
  }
}

void train(const Options& options,
           const CLI::App& command,
           const StopRequest& stop) {
  if (options.print_config) {
    const train::LoadedConfig loaded = load(options.config, options.start);
    std::fputs(train::to_toml(loaded).c_str(), stdout);
    return;
  }
  std::exception_ptr failure;
  const train::LoadedConfig loaded = load_for_ranks(options, failure);
  launch::LaunchOptions ranks = ranks_of(options, command, loaded.config);
  ranks.failure = failure;
  ranks.report = [stop](const std::string&) { stop.keep_quiet(); };
  ranks.check = [&loaded](int count) {
    train::LoadedConfig copy = loaded;
    train::take_ranks(copy, count);
  };
  on_ranks(ranks, [&](comm::Communicator& world) {
    train_on(world, options, loaded, stop);
  });
}

}  // namespace

void add_train(CLI::App& app, const StopRequest& stop) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("train", "Trains a model");
  add_config_options(*command, options->config, ConfigFile::kRequired);
  add_rank_options(*command, options->ranks);
  command->add_option("--log-all-ranks",
                      options->log_all_ranks,
                      "A directory that gets what each rank has to say, as "
                      "rank_R.log");
  CLI::Option* resume = command->add_flag_callback(
      "--resume",
      [options] { options->start = train::Start::kResume; },
      "Go on from the newest whole checkpoint, or begin where there is none");
  command
      ->add_flag_callback(
          "--restart",
          [options] { options->start = train::Start::kRestart; },
          "Begin anew; checkpoints that are there are put aside, in a "
          "folder beside the new ones")
      ->excludes(resume);
  command->add_flag("--print-config",
                    options->print_config,
                    "Print every key with its value, its meaning and where it "
                    "came from, and stop");
  command->footer(
      "Ctrl-C, SIGTERM, SIGHUP and SIGUSR1 finish the step, save, and exit\n"
      "with 0; a second Ctrl-C or SIGTERM ends it at once.\n"
      "Example:\n"
      "  dure train examples/first_run.toml --set train.steps=200\n"
      "  dure train examples/first_run.toml --ranks 2 --set parallel.zero=2\n"
      "  mpirun -n 2 dure train examples/first_run.toml");
  command->callback(
      [options, command, stop] { train(*options, *command, stop); });
}

}  // namespace dure::cli
