// `dure bench`: how fast this machine communicates and computes.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/base/nearest.h"
#include "dure/cli/commands.h"
#include "dure/cli/output.h"
#include "dure/cli/rank_options.h"
#include "dure/comm/measure.h"
#include "dure/comm/traffic_report.h"
#include "dure/launch/placement.h"
#include "dure/report/bandwidth_plot.h"

namespace dure::cli {
namespace {

using comm::Algorithm;
using comm::Kind;

struct Options {
  launch::LaunchOptions ranks = {};
  std::vector<std::string> collectives = {"all"};
  std::vector<std::string> algorithms = {"automatic"};
  std::uint64_t least = 4;
  std::uint64_t most = 64ULL << 20;
  std::uint64_t factor = 8;
  double seconds = 0.3;
  std::string csv = {};
  std::string plot = {};
  bool json = false;
  bool traffic = false;
};

constexpr Kind kMeasured[] = {Kind::kAllReduce,
                              Kind::kReduce,
                              Kind::kBroadcast,
                              Kind::kAllGather,
                              Kind::kReduceScatter,
                              Kind::kAllToAll,
                              Kind::kScatter,
                              Kind::kGather,
                              Kind::kSend,
                              Kind::kBarrier};
constexpr Algorithm kAlgorithms[] = {Algorithm::kAutomatic,
                                     Algorithm::kDirect,
                                     Algorithm::kRoot,
                                     Algorithm::kAllToAll,
                                     Algorithm::kRing,
                                     Algorithm::kChain,
                                     Algorithm::kHalvingDoubling,
                                     Algorithm::kTree};

// The values for the given names; all for "all".
template <typename Value, std::size_t kCount>
std::vector<Value> chosen(const char* option,
                          const std::vector<std::string>& given,
                          const Value (&values)[kCount]) {
  std::vector<std::string> names = {"all"};
  std::map<std::string, Value> by_name;
  for (const Value value : values) {
    names.emplace_back(name_of(value));
    by_name[names.back()] = value;
  }
  std::vector<Value> result;
  for (const std::string& name : given) {
    if (name == "all") {
      return {std::begin(values), std::end(values)};
    }
    if (!by_name.contains(name)) {
      throw UsageError(
          "{}: unknown {}{}", option, name, suggestion(name, names));
    }
    result.push_back(by_name[name]);
  }
  return result;
}

std::vector<std::int64_t> sizes_of(const Options& options) {
  if (options.least > options.most || options.least < 4) {
    throw UsageError(
        "--from {} --to {}: wanted 4 bytes or more, and no fewer at the end",
        options.least,
        options.most);
  }
  std::vector<std::int64_t> sizes;
  for (std::uint64_t size = options.least; size < options.most;
       size *= options.factor) {
    sizes.push_back(static_cast<std::int64_t>(size / 4 * 4));
  }
  sizes.push_back(static_cast<std::int64_t>(options.most / 4 * 4));
  return sizes;
}

struct Results {
  std::vector<std::string> hosts;  // of every rank
  std::vector<comm::Measurement> rows;
  comm::Traffic traffic;  // of rank 0
};

void print_json(const Results& results) {
  put_json({{"hosts", results.hosts},
            {"rows", results.rows},
            {"traffic", results.traffic}});
}

void print_tables(const Options& options, const Results& results) {
  if (!launch::is_one_host(results.hosts)) {
    std::printf("%s\n\n", launch::describe_hosts(results.hosts).c_str());
  }
  std::fputs(to_table(results.rows).c_str(), stdout);
  if (options.traffic) {
    std::printf("\n%s", to_table(results.traffic).c_str());
  }
}

// The output files. They are opened before the measurement, so that one that
// can't be written is found first.
class Files {
 public:
  Files() = default;
  explicit Files(const Options& options)
      : csv_(begin(options.csv)), plot_(begin(options.plot)) {}

  void write(const Results& results) {
    if (csv_ != nullptr) {
      finish(*csv_, to_csv(results.rows));
    }
    if (plot_ != nullptr) {
      finish(*plot_, report::to_svg(results.rows));
    }
  }

 private:
  static std::unique_ptr<AtomicFile> begin(const std::string& path) {
    return path.empty() ? nullptr : std::make_unique<AtomicFile>(path);
  }
  static void finish(AtomicFile& file, const std::string& text) {
    file.write(text);
    file.commit();
  }

  std::unique_ptr<AtomicFile> csv_;
  std::unique_ptr<AtomicFile> plot_;
};

void report(const Options& options, const Results& results, Files& files) {
  options.json ? print_json(results) : print_tables(options, results);
  files.write(results);
}

void run_bench_comm(const Options& options) {
  const comm::MeasureOptions measure{
      .kinds = chosen("--collective", options.collectives, kMeasured),
      .sizes = sizes_of(options),
      .algorithms = chosen("--algorithm", options.algorithms, kAlgorithms),
      .seconds = options.seconds};
  on_ranks(options.ranks, [&](comm::Communicator& comm) {
    Files files = comm.rank() == 0 ? Files(options) : Files();
    const auto hosts = launch::hosts_of(comm);
    // Ranks on several hosts share no memory that could set a limit.
    const auto rows = comm::measure(
        comm,
        measure,
        launch::is_one_host(hosts) ? comm::Limit::kYes : comm::Limit::kNo);
    if (comm.rank() == 0) {
      report(options, {hosts, rows, comm.traffic()}, files);
    }
  });
}

void add_bench_comm(CLI::App& bench) {
  auto options = std::make_shared<Options>();
  CLI::App* command = bench.add_subcommand(
      "comm", "Time and bandwidth of collectives, by size and algorithm");
  add_rank_options(*command, options->ranks);
  command->add_option("--collective", options->collectives, "Which, or all")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--algorithm", options->algorithms, "By which, or all")
      ->delimiter(',')
      ->capture_default_str();
  command
      ->add_option("--from", options->least, "Smallest size, such as 4 or 1KiB")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  command->add_option("--to", options->most, "Largest size, such as 1GiB")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  command->add_option("--factor", options->factor, "From one size to the next")
      ->check(CLI::Range(2, 1 << 20))
      ->capture_default_str();
  command
      ->add_option("--seconds", options->seconds, "Of measuring, for each row")
      ->check(CLI::Range(1e-3, 3600.0))
      ->capture_default_str();
  command->add_option("--csv", options->csv, "Write the rows to a file, too");
  command->add_option("--plot", options->plot, "Draw them, as an SVG image");
  command->add_flag(
      "--traffic",
      options->traffic,
      "Print rank 0's calls and bytes by mesh axis and kind, too");
  command->add_flag("--json", options->json, "Print all of it as JSON");
  command->footer(
      "A size S is that of the larger of a rank's tensors, in f32. Algorithm\n"
      "bandwidth is S / time; bus bandwidth is what nccl-tests call so: times\n"
      "2 (N - 1) / N for all_reduce, (N - 1) / N for all_gather,\n"
      "reduce_scatter, all_to_all, scatter and gather. The limit is the least\n"
      "time that the memory allows (dure/comm/measure.h), from how fast all\n"
      "ranks at once copy, and update in place, beside each row; small sizes,\n"
      "which caches hold, may pass it.\n"
      "\n"
      "Where the ranks are on several hosts, a line before the table says who\n"
      "is where, and there is no such limit.\n"
      "\n"
      "--traffic counts all that the rank called, what keeps the clocks of "
      "the\n"
      "ranks together included; bytes add up S.\n"
      "\n"
      "--json prints an object: hosts, the name of every rank's; rows, "
      "objects\n"
      "of back_end, collective, algorithm, ranks, bytes, seconds,\n"
      "algorithm_bandwidth, bus_bandwidth (bytes/s) and share_of_limit;\n"
      "traffic, objects of axis, collective, calls and bytes.\n"
      "\n"
      "Example:\n"
      "  dure bench comm --ranks 4 --collective all_reduce --to 1GiB\n"
      "  mpirun -n 2 dure bench comm --algorithm all --plot bus.svg");
  command->callback([options] { run_bench_comm(*options); });
}

}  // namespace

void add_bench(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "bench", "How fast this machine communicates and computes");
  command->require_subcommand(1);
  command->footer(
      "Example:\n  dure bench comm --ranks 2\n  dure bench operations");
  add_bench_comm(*command);
  add_bench_operations(*command);
}

}  // namespace dure::cli
