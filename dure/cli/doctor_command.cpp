// `dure doctor`: what this machine and this build have, for a bug report.
#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <fmt/format.h>
#include <fstream>
#include <hwy/targets.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <omp.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/trace.h"
#include "dure/cli/commands.h"
#include "dure/cli/rank_options.h"
#include "dure/cli/version.h"
#include "dure/comm/mpi/world.h"
#include "dure/launch/cores.h"
#include "dure/launch/run_ranks.h"

namespace dure::cli {
namespace {

using nlohmann::ordered_json;

std::string first_line_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(
      ::popen(("{ " + command + "; } 2>/dev/null").c_str(), "r"), ::pclose);
  std::array<char, 512> text{};
  if (pipe == nullptr ||
      std::fgets(text.data(), static_cast<int>(text.size()), pipe.get()) ==
          nullptr) {
    return "";
  }
  std::string line = text.data();
  line.erase(line.find_last_not_of("\r\n ") + 1);
  return line;
}

// The value of a "key : value" line of a file of /proc.
std::string value_in(const char* path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (line.starts_with(key) && colon != std::string::npos) {
      const std::size_t first = line.find_first_not_of(" \t", colon + 1);
      return first == std::string::npos ? "" : line.substr(first);
    }
  }
  return "";
}

std::string or_none(const std::string& text) {
  return text.empty() ? "none" : text;
}

// Which way of starting processes the MPI that is installed understands.
std::string pmi_of_mpi() {
  if (!comm::kBuiltWithMpi) {
    return "none";
  }
  const std::string open_mpi = first_line_of(
      "ompi_info --parsable | grep -o 'mca:pmix:[a-z0-9]*' | sort -u | "
      "paste -sd ' '");
  return or_none(open_mpi);
}

// Two ranks as threads, that add up what they have: right or not, and the time
// of one.
struct Trial {
  std::string error = {};
  double seconds = 0;
};

Trial try_two_ranks() {
  Trial trial;
  try {
    launch::run_ranks({.ranks = 2, .comm = {.timeout_seconds = 20}},
                      [&](comm::Communicator& comm) {
                        constexpr int kCalls = 1000;
                        std::vector<float> x(2);
                        const Tensor tensor(x.data(), {2});
                        const double start = monotonic_seconds();
                        for (int i = 0; i < kCalls; ++i) {
                          x = {1, static_cast<float>(comm.rank())};
                          comm.run(comm::AllReduce{.y = tensor, .x = tensor});
                          DURE_CHECK(x[0] == 2 && x[1] == 1,
                                     "all_reduce of (1, rank) gave (",
                                     x[0],
                                     ", ",
                                     x[1],
                                     "), wanted (2, 1)");
                        }
                        if (comm.rank() == 0) {
                          trial.seconds =
                              (monotonic_seconds() - start) / kCalls;
                        }
                      });
  } catch (const std::exception& error) {
    trial.error = error.what();
  }
  return trial;
}

std::string list_of(const std::vector<int>& numbers) {
  std::string text;
  for (const int number : numbers) {
    text += concat(text.empty() ? "" : " ", number);
  }
  return text;
}

std::string cuda_state() {
  return or_none(first_line_of(
      "nvidia-smi --query-gpu=name,driver_version --format=csv,noheader"));
}

ordered_json examine(const Trial& trial) {
  const auto launcher = launch::launcher_of(environment());
  return {
      {"dure", version_line()},
      {"compiler", concat("C++ ", __VERSION__)},
      {"openmp", _OPENMP},
      {"back_ends",
       comm::kBuiltWithMpi ? "self threads sim mpi" : "self threads sim"},
      {"mpi", or_none(comm::mpi_library())},
      {"mpirun", or_none(first_line_of("mpirun --version"))},
      {"mpi_pmix", pmi_of_mpi()},
      {"slurm", or_none(first_line_of("srun --version"))},
      {"slurm_mpi", or_none(first_line_of("srun --mpi=list | paste -sd ' '"))},
      {"launcher",
       launcher.has_value() ? concat(launcher->name,
                                     ", rank ",
                                     launcher->rank,
                                     " of ",
                                     launcher->world)
                            : "none"},
      {"system", or_none(first_line_of("uname -sr"))},
      {"processor", or_none(value_in("/proc/cpuinfo", "model name"))},
      {"instructions",
       hwy::TargetName(hwy::SupportedTargets() & -hwy::SupportedTargets())},
      {"cores", list_of(launch::usable_cores())},
      {"memory", or_none(value_in("/proc/meminfo", "MemTotal"))},
      {"memory_available", or_none(value_in("/proc/meminfo", "MemAvailable"))},
      {"gpu", cuda_state()},
      {"two_ranks",
       trial.error.empty()
           ? fmt::format("all_reduce right, {:.2f} us", 1e6 * trial.seconds)
           : "FAILED: " + trial.error},
  };
}

void run_doctor(bool json) {
  const Trial trial = try_two_ranks();
  const ordered_json facts = examine(trial);
  if (json) {
    fmt::print("{}\n", facts.dump(2));
  } else {
    for (const auto& [name, value] : facts.items()) {
      fmt::print("{:<18}{}\n",
                 name,
                 value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
  if (!trial.error.empty()) {
    throw Error("two ranks of this process could not communicate");
  }
}

}  // namespace

void add_doctor(CLI::App& app) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand(
      "doctor", "What this machine and this build have, for a bug report");
  command->add_flag("--json", *json, "Print the facts as JSON");
  command->footer(
      "Versions, back ends, MPI and how it is launched, cores in the order in\n"
      "which ranks take them, memory, and a collective on two ranks. The exit\n"
      "code is 1 where that fails.\n"
      "\n"
      "--json prints one object with a text for each line of the table.\n"
      "\n"
      "Example:\n"
      "  dure doctor");
  command->callback([json] { run_doctor(*json); });
}

}  // namespace dure::cli
