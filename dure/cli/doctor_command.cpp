// `dure doctor`: the facts about this machine and this build, for a bug report.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <fmt/format.h>
#include <hwy/targets.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/interrupt.h"
#include "dure/base/trace.h"
#include "dure/cli/commands.h"
#include "dure/cli/doctor_facts.h"
#include "dure/cli/output.h"
#include "dure/cli/rank_options.h"
#include "dure/cli/version.h"
#include "dure/comm/mpi/world.h"
#include "dure/launch/cores.h"
#include "dure/launch/machine.h"
#include "dure/launch/process_managers.h"
#include "dure/launch/run_ranks.h"

namespace dure::cli {
namespace {

using nlohmann::ordered_json;

// The output of a command; "" if there is no such command.
std::string output_of(const std::string& command) {
  const InterruptWatch::Unblocked signals;  // timeout(1) is one such command
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(
      ::popen(("{ " + command + "; } 2>/dev/null").c_str(), "r"), ::pclose);
  std::array<char, 4096> block{};
  std::string text;
  std::size_t read = 0;
  while (pipe != nullptr &&
         (read = std::fread(block.data(), 1, block.size(), pipe.get())) > 0) {
    text.append(block.data(), read);
  }
  return text;
}

std::string first_line_of(const std::string& command) {
  std::string line = output_of(command);
  line.erase(std::min(line.find('\n'), line.size()));
  line.erase(line.find_last_not_of("\r ") + 1);
  return line;
}

std::string or_none(const std::string& text) {
  return text.empty() ? "none" : text;
}

std::string joined(const std::vector<std::string>& words) {
  return words.empty() ? "none" : fmt::format("{}", fmt::join(words, " "));
}

Fact list(const char* name, const std::vector<std::string>& words) {
  return {name, words, joined(words)};
}

void add_caches(const launch::Machine& machine, Facts& facts) {
  ordered_json values = ordered_json::array();
  std::vector<std::string> texts;
  for (const launch::Cache& cache : machine.caches) {
    values.push_back(
        {{"name", cache.name}, {"bytes", cache.bytes}, {"count", cache.count}});
    texts.push_back(fmt::format(
        "{} {} x {}", cache.name, cache.count, size_text(cache.bytes)));
  }
  const std::string text = fmt::format("{}", fmt::join(texts, ", "));
  facts.push_back({"caches", values, or_none(text)});
}

void add_numa_nodes(const launch::Machine& machine, Facts& facts) {
  ordered_json values = ordered_json::array();
  std::vector<std::string> texts;
  for (const launch::NumaNode& node : machine.numa_nodes) {
    values.push_back({{"number", node.number},
                      {"bytes", node.bytes},
                      {"threads", node.threads}});
    texts.push_back(fmt::format("{}: {}, threads {}",
                                node.number,
                                size_text(node.bytes),
                                fmt::join(node.threads, " ")));
  }
  const std::string text = fmt::format("{}", fmt::join(texts, "; "));
  facts.push_back({"numa_nodes", values, or_none(text)});
}

// Counts that only hwloc knows are null in a build without it.
ordered_json count_or_null(int count) {
  return count == 0 ? ordered_json() : ordered_json(count);
}

// The kernel's number, because hwloc's leaves out memory that was plugged in
// since the start.
void add_memory(const char* name, const char* key, Facts& facts) {
  const std::string kibibytes = launch::value_in("/proc/meminfo", key);
  std::uint64_t bytes = 0;
  std::from_chars(kibibytes.data(), kibibytes.data() + kibibytes.size(), bytes);
  bytes <<= 10;
  facts.push_back({name, bytes, size_text(bytes)});
}

void add_machine(Facts& facts) {
  const launch::Machine machine = launch::this_machine();
  const std::vector<int> usable = launch::usable_cores();
  facts.push_back({"system", or_none(first_line_of("uname -sr"))});
  facts.push_back({"processor", or_none(launch::processor_name())});
  facts.push_back(
      {"instructions",
       hwy::TargetName(hwy::SupportedTargets() & -hwy::SupportedTargets())});
  facts.push_back({"packages", count_or_null(machine.packages)});
  facts.push_back({"cores", count_or_null(machine.cores)});
  facts.push_back({"threads", machine.threads});
  facts.push_back(
      {"threads_usable", usable, fmt::format("{}", fmt::join(usable, " "))});
  add_caches(machine, facts);
  add_numa_nodes(machine, facts);
  add_memory("memory", "MemTotal", facts);
  add_memory("memory_available", "MemAvailable", facts);
  facts.push_back(
      {"gpu",
       or_none(first_line_of("nvidia-smi --query-gpu=name,driver_version "
                             "--format=csv,noheader"))});
  add_cuda(output_of("nvidia-smi topo -m"), facts);
}

std::vector<std::string> managers() {
  const std::string library = comm::mpi_library();
  const bool mpich = library.find("MPICH") != std::string::npos;
  return launch::managers_of_mpi(
      library, output_of(mpich ? "mpichversion" : "ompi_info --parsable"));
}

void add_launching(Facts& facts) {
  const auto launcher = launch::launcher_of(environment());
  const auto spoken = managers();
  const auto plugins =
      launch::plugins_of_srun(output_of("timeout 10 srun --mpi=list 2>&1"));
  facts.push_back({"mpi", or_none(comm::mpi_library())});
  facts.push_back({"mpirun", or_none(first_line_of("mpirun --version"))});
  facts.push_back(list("mpi_managers", spoken));
  facts.push_back({"slurm", or_none(first_line_of("srun --version"))});
  facts.push_back(list("slurm_mpi", plugins));
  facts.push_back({"srun", or_none(launch::common_srun(spoken, plugins))});
  facts.push_back(
      {"launcher",
       launcher.has_value()
           ? fmt::format("{}, rank {}", launcher->name, launcher->rank)
           : "none"});
}

// Two ranks as threads sum their numbers: whether the sum is right, and the
// time of one.
struct Trial {
  std::string error = {};
  double seconds = 0;
};

Trial try_two_ranks() {
  Trial trial;
  try {
    launch::run_ranks(
        {.ranks = 2, .comm = {.timeout_seconds = 20}},
        [&](comm::Communicator& comm) {
          constexpr int kCalls = 1000;
          std::vector<float> x(2);
          const Tensor tensor(x.data(), {2});
          Stream host = host_stream();
          const double start = monotonic_seconds();
          for (int i = 0; i < kCalls; ++i) {
            x = {1, static_cast<float>(comm.rank())};
            comm.run(host, comm::AllReduce{.y = tensor, .x = tensor});
            DURE_CHECK(
                x[0] == 2 && x[1] == 1,
                "all_reduce of (1, rank) gave ({:g}, {:g}), wanted (2, 1)",
                x[0],
                x[1]);
          }
          if (comm.rank() == 0) {
            trial.seconds = (monotonic_seconds() - start) / kCalls;
          }
        });
  } catch (const std::exception& error) {
    trial.error = error.what();
  }
  return trial;
}

Facts examine(const Trial& trial) {
  std::vector<std::string> back_ends = {"self", "threads", "sim"};
  if (comm::built_with_mpi()) {
    back_ends.emplace_back("mpi");
  }
  Facts facts = {{"dure", version_line()},
                 {"compiler", fmt::format("C++ {}", __VERSION__)},
                 list("back_ends", back_ends)};
  add_launching(facts);
  add_machine(facts);
  facts.push_back(
      {"two_ranks",
       trial.error.empty()
           ? fmt::format("all_reduce right, {:.2f} us", 1e6 * trial.seconds)
           : "FAILED: " + trial.error});
  return facts;
}

void print(const Facts& facts) {
  for (const Fact& fact : facts) {
    std::string name = fact.name;
    std::istringstream lines(text_of(fact));
    for (std::string line; std::getline(lines, line); name.clear()) {
      fmt::print("{:<18}{}\n", name, line);
    }
  }
}

void print_json(const Facts& facts) {
  ordered_json object;
  for (const Fact& fact : facts) {
    object[fact.name] = fact.value;
  }
  put_json(object);
}

void run_doctor(bool json) {
  const Trial trial = try_two_ranks();
  const Facts facts = examine(trial);
  json ? print_json(facts) : print(facts);
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
      "Versions, back ends, MPI and how it is launched, the machine, its\n"
      "GPUs, and a collective on two ranks. The exit code is 1 where that "
      "fails.\n"
      "\n"
      "mpi_managers: what MPI learns its ranks by; slurm_mpi: what Slurm's\n"
      "srun has plugins for; srun: how to start ranks by the one that both\n"
      "have. threads_usable: the hardware threads that this process may use,\n"
      "in the order in which ranks take them. cuda_pairs: which GPUs reach "
      "one\n"
      "another's memory, with the rank of their link, 0 the fastest.\n"
      "\n"
      "--json prints one object with a value for each line of the table: "
      "texts\n"
      "(\"none\" where there is nothing), but back_ends, mpi_managers and\n"
      "slurm_mpi are lists of texts, packages, cores, threads and memory\n"
      "(bytes) numbers, null where not known, threads_usable a list of\n"
      "numbers, caches objects of name, bytes and count, numa_nodes objects "
      "of\n"
      "number, bytes and threads. In a build with CUDA, cuda_libraries is an\n"
      "object of versions, null where a library was not found, cuda_devices\n"
      "a list of objects, cuda_pairs one of each ordered pair of devices, and\n"
      "cuda_links the lines of `nvidia-smi topo -m`.\n"
      "\n"
      "Example:\n"
      "  dure doctor");
  command->callback([json] { run_doctor(*json); });
}

}  // namespace dure::cli
