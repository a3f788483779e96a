// Every operation of dure/kernels: its time, and the share of its roofline.
//
//   operations_bench [--smoke] [--repetitions N] [--only OPERATION] [FILE...]
//
// FILE has problems (default: all of bench/shapes but smoke.txt). Bytes and
// flops are those of the operation's cost(): each operand once. The roofline is
// that of this machine at this moment: before and after every measurement a
// triad a = b + s c over 3 x 32 MB, counted as 12 bytes an element, and
// oneDNN's sgemm are timed. The share is the operation's time at the better
// rates over its measured time. Beyond 100 % its operands came from a cache.
// Figures are medians.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fmt/core.h>
#include <fstream>
#include <string>
#include <vector>

#include "bench/bench_main.h"
#include "bench/operation_problems.h"
#include "bench/sgemm_rate.h"
#include "bench/spread.h"
#include "dure/base/limits.h"
#include "dure/base/team.h"

namespace dure::bench {
namespace {

struct Options {
  std::vector<std::string> files;
  std::string only;
  int repetitions = 7;
};

// The triad's bytes a second.
double triad_rate() {
  constexpr std::int64_t kElements = 8 << 20;
  static std::vector<float> a(kElements);
  static const std::vector<float> b(kElements, 1.0F);
  static const std::vector<float> c(kElements, 2.0F);
  constexpr std::int64_t kPiece = kElements / 64;
  Team team(0);
  const double start = monotonic_seconds();
  team.run(64, [&](std::int64_t piece, int) {
    const std::int64_t first = piece * kPiece;
    std::transform(b.begin() + first,
                   b.begin() + first + kPiece,
                   c.begin() + first,
                   a.begin() + first,
                   [](float x, float y) { return x + 3.0F * y; });
  });
  return 12.0 * static_cast<double>(kElements) / (monotonic_seconds() - start);
}

struct Rates {
  double bytes;
  double flops;  // 0 where there is no sgemm
};

// If flops can't be the bound, sgemm is not run, because it is slow.
Rates measure_rates(const kernels::Cost& cost) {
  constexpr double kFlopsAByte = 8;
  const bool may_be_bound_by_flops = cost.flops > kFlopsAByte * cost.bytes;
  return {triad_rate(), may_be_bound_by_flops ? sgemm_rate() : 0};
}

double roofline_seconds(const kernels::Cost& cost, const Rates& rates) {
  return std::max(cost.bytes / rates.bytes,
                  rates.flops > 0 ? cost.flops / rates.flops : 0);
}

// The number of calls that take long enough for the clock: some 5 ms.
int calls_of(Problem& problem) {
  problem.launch();  // warms up: pages, caches, primitives
  const double start = monotonic_seconds();
  problem.launch();
  const double seconds = monotonic_seconds() - start;
  return std::clamp(static_cast<int>(5e-3 / seconds), 1, 1000);
}

void run(const Line& line, int repetitions) {
  Problem problem(line);
  const int calls = calls_of(problem);
  const kernels::Cost cost = problem.cost();
  std::vector<double> seconds;
  std::vector<double> shares;
  for (int r = 0; r < repetitions; ++r) {
    const Rates before = measure_rates(cost);
    const double start = monotonic_seconds();
    for (int i = 0; i < calls; ++i) {
      problem.launch();
    }
    seconds.push_back((monotonic_seconds() - start) / calls);
    const Rates after = measure_rates(cost);
    shares.push_back(std::min(roofline_seconds(cost, before),
                              roofline_seconds(cost, after)) /
                     seconds.back());
  }
  const Spread time = spread_of(seconds);
  const Spread share = spread_of(shares);
  std::printf("| %s | %s | %.3f | %.1f | %.1f | %.0f %% | %.0f to %.0f %% |\n",
              line.operation.c_str(),
              line.describe().c_str(),
              1e3 * time.median,
              1e-9 * cost.bytes / time.median,
              1e-9 * cost.flops / time.median,
              100 * share.median,
              100 * share.least,
              100 * share.most);
  std::fflush(stdout);
}

void run_file(const std::string& path, const Options& options) {
  std::ifstream file(path);
  DURE_CHECK(file, "can't open {}", path);
  std::printf("\n%s\n\n", path.c_str());
  std::printf(
      "| operation | sizes | ms | GB/s | GFLOP/s | share | from |\n"
      "| --- | --- | ---: | ---: | ---: | ---: | ---: |\n");
  for (std::string text; std::getline(file, text);) {
    if (text.empty() || text[0] == '#') {
      continue;
    }
    const Line line = parse_line(text);
    if (options.only.empty() || options.only == line.operation) {
      run(line, options.repetitions);
    }
  }
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const auto next = [&] { return i + 1 < argc ? argv[++i] : ""; };
    if (arg == "--smoke") {
      options.files = {"bench/shapes/smoke.txt"};
      options.repetitions = 1;
    } else if (arg == "--repetitions") {
      options.repetitions = std::max(1, std::atoi(next()));
    } else if (arg == "--only") {
      options.only = next();
    } else {
      options.files.push_back(arg);
    }
  }
  if (options.files.empty()) {
    for (const char* name : {"gpt2_124m", "llama_1b", "memory", "generate"}) {
      options.files.push_back(fmt::format("bench/shapes/{}.txt", name));
    }
  }
  return options;
}

void run(const Options& options) {
  std::printf("%d threads, triad %.1f GB/s, sgemm %.1f GFLOP/s\n",
              usable_processors(),
              1e-9 * triad_rate(),
              1e-9 * sgemm_rate());
  for (const std::string& path : options.files) {
    run_file(path, options);
  }
}

}  // namespace
}  // namespace dure::bench

int main(int argc, char** argv) {
  return dure::bench::exit_code_of(
      [&] { dure::bench::run(dure::bench::parse(argc, argv)); });
}
