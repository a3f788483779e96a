// Commands on a machine that other programs use: the time of each beside none,
// one and two busy loops of the same priority.
//
//   shared_bench [--rounds N] [--busy COUNTS] [--smoke] NAME=COMMAND...
//
// COUNTS is "0,1,2". A round takes every command beside every count of loops,
// alternating commands, so that all meet the same machine. Medians are shown,
// and ratios are medians of a round's ratios to the same command alone. A
// command with as many threads as there are cores can get a fair share at best:
// with L loops on C cores it takes 1 + L / C times as long. Commands are run by
// the shell, and their output is dropped.
#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "bench/bench_main.h"
#include "bench/spread.h"
#include "dure/base/check.h"
#include "dure/base/limits.h"
#include "dure/base/trace.h"

namespace dure::bench {
namespace {

struct Command {
  std::string name;
  std::string text;
};

struct Options {
  int rounds = 3;
  std::vector<int> busy = {0, 1, 2};
  std::vector<Command> commands;
};

// A process that computes until it is destroyed.
class BusyLoop {
 public:
  BusyLoop() : process_(::fork()) {
    DURE_CHECK(process_ >= 0, "can't start a process");
    if (process_ == 0) {
      std::atomic<unsigned long> count = 0;
      while (true) {
        count.fetch_add(1, std::memory_order_relaxed);
      }
    }
  }
  BusyLoop(BusyLoop&& other) noexcept
      : process_(std::exchange(other.process_, 0)) {}
  BusyLoop& operator=(BusyLoop&&) = delete;
  BusyLoop(const BusyLoop&) = delete;
  BusyLoop& operator=(const BusyLoop&) = delete;
  ~BusyLoop() {
    if (process_ > 0) {
      ::kill(process_, SIGKILL);
      ::waitpid(process_, nullptr, 0);
    }
  }

 private:
  pid_t process_;
};

double seconds_of(const Command& command, int busy) {
  std::vector<BusyLoop> loops(static_cast<std::size_t>(busy));
  const double start = monotonic_seconds();
  const int status =
      std::system(("(" + command.text + ") >/dev/null 2>&1").c_str());
  DURE_CHECK(status == 0, "{} has failed: {}", command.name, command.text);
  return monotonic_seconds() - start;
}

// Seconds by command, count of loops, and round.
using Times = std::vector<std::vector<std::vector<double>>>;

void print(const Options& options, const Times& times) {
  const int cores = usable_processors();
  std::printf("\n| command | busy loops | seconds | to alone | fair |\n");
  std::printf("| --- | --- | --- | --- | --- |\n");
  for (std::size_t c = 0; c < options.commands.size(); ++c) {
    for (std::size_t b = 0; b < options.busy.size(); ++b) {
      const Spread spread = spread_of(times[c][b]);
      std::printf("| %s | %d | %.2f (%.2f to %.2f) | %s | %.2f |\n",
                  options.commands[c].name.c_str(),
                  options.busy[b],
                  spread.median,
                  spread.least,
                  spread.most,
                  ratio_text(times[c][b], times[c][0]).c_str(),
                  1 + static_cast<double>(options.busy[b]) / cores);
    }
  }
}

void run(const Options& options) {
  std::printf("%d cores, %d rounds\n", usable_processors(), options.rounds);
  Times times(options.commands.size(),
              std::vector<std::vector<double>>(options.busy.size()));
  for (int round = 0; round < options.rounds; ++round) {
    for (std::size_t b = 0; b < options.busy.size(); ++b) {
      for (std::size_t c = 0; c < options.commands.size(); ++c) {
        times[c][b].push_back(seconds_of(options.commands[c], options.busy[b]));
      }
    }
  }
  print(options, times);
}

std::vector<int> counts_of(const std::string& text) {
  std::vector<int> counts;
  std::istringstream list(text);
  for (std::string count; std::getline(list, count, ',');) {
    counts.push_back(std::atoi(count.c_str()));
  }
  return counts;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto next = [&] { return i + 1 < argc ? argv[++i] : ""; };
    if (argument == "--rounds") {
      options.rounds = std::max(1, std::atoi(next()));
    } else if (argument == "--busy") {
      options.busy = counts_of(next());
    } else if (argument == "--smoke") {
      options.rounds = 1;
      options.commands = {{"nothing", "true"}, {"little", "seq 1000"}};
    } else {
      const std::size_t equals = argument.find('=');
      DURE_CHECK(
          equals != std::string::npos, "wanted NAME=COMMAND, not {}", argument);
      options.commands.push_back(
          {argument.substr(0, equals), argument.substr(equals + 1)});
    }
  }
  DURE_CHECK(!options.commands.empty() && !options.busy.empty(),
             "wanted commands, each as NAME=COMMAND");
  return options;
}

}  // namespace
}  // namespace dure::bench

int main(int argc, char** argv) {
  return dure::bench::exit_code_of(
      [&] { dure::bench::run(dure::bench::parse(argc, argv)); });
}
