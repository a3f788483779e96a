// Every operation of dure/kernels: its time, and the share of its roofline.
//
//   operations_bench [--smoke] [--device cpu|cuda] [--type f32|bf16|f16]...
//                    [--repetitions N] [--only OPERATION] [FILE...]
//
// FILE has problems (default: all of bench/shapes but smoke.txt). Bytes and
// flops are those of the operation's cost(): each operand once. The roofline is
// that of this device at this moment: before and after every measurement a
// triad a = b + s c over arrays past every cache, counted as 12 bytes an
// element, and, where flops may be the bound, a product of the type by the
// library of the device's maker are timed: oneDNN's sgemm, or cuBLASLt's. The
// share is the operation's time at the better rates over its measured time.
// Beyond 100 % its operands came from a cache. Figures are medians. The types
// are f32, and on a GPU bf16 as well, unless they are named.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fmt/core.h>
#include <fstream>
#include <string>
#include <vector>

#include "bench/bench_main.h"
#include "bench/device_options.h"
#include "bench/operation_problems.h"
#include "bench/spread.h"
#include "bench/yardstick.h"

namespace dure::bench {
namespace {

struct Options {
  std::vector<std::string> files;
  std::string only;
  Device device = Device::kCpu;
  std::vector<DType> types;
  YardstickSize size = YardstickSize::kFull;
  int repetitions = 7;
};

struct Rates {
  double bytes;
  double flops;  // 0 where there is no such product
};

// If flops can't be the bound, the product is not run, because it is slow.
Rates measure_rates(Yardstick& yardstick,
                    const kernels::Cost& cost,
                    DType type) {
  constexpr double kFlopsAByte = 8;
  const bool may_be_bound_by_flops = cost.flops > kFlopsAByte * cost.bytes;
  return {yardstick.memory_rate(),
          may_be_bound_by_flops ? yardstick.product_rate(type) : 0};
}

double roofline_seconds(const kernels::Cost& cost, const Rates& rates) {
  return std::max(cost.bytes / rates.bytes,
                  rates.flops > 0 ? cost.flops / rates.flops : 0);
}

// The number of calls that take long enough for the clock: some 5 ms.
int calls_of(Problem& problem) {
  problem.seconds(1);  // warms up: pages, caches, primitives
  return std::clamp(static_cast<int>(5e-3 / problem.seconds(1)), 1, 1000);
}

class Bench {
 public:
  explicit Bench(const Options& options)
      : options_(options),
        yardstick_(yardstick_of(options.device, options.size)) {}

  void run() {
    std::printf("%s\n", yardstick_->description().c_str());
    for (const std::string& path : options_.files) {
      for (const DType type : options_.types) {
        run_file(path, type);
      }
    }
  }

 private:
  void run_file(const std::string& path, DType type) {
    std::ifstream file(path);
    DURE_CHECK(file, "can't open {}", path);
    std::printf("\n%s, %s\n\n", path.c_str(), name_of(type));
    std::printf(
        "| operation | sizes | ms | GB/s | GFLOP/s | share | from |\n"
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |\n");
    for (std::string text; std::getline(file, text);) {
      if (text.empty() || text[0] == '#') {
        continue;
      }
      const Line line = parse_line(text);
      if (options_.only.empty() || options_.only == line.operation) {
        run_line(line, type);
      }
    }
  }

  // Operations that have no operand of the type are left out.
  void run_line(const Line& line, DType type) {
    Problem problem(line, options_.device, type);
    if (!problem.has_type()) {
      return;
    }
    const int calls = calls_of(problem);
    const kernels::Cost cost = problem.cost();
    std::vector<double> seconds;
    std::vector<double> shares;
    for (int r = 0; r < options_.repetitions; ++r) {
      const Rates before = measure_rates(*yardstick_, cost, type);
      seconds.push_back(problem.seconds(calls) / calls);
      const Rates after = measure_rates(*yardstick_, cost, type);
      shares.push_back(std::min(roofline_seconds(cost, before),
                                roofline_seconds(cost, after)) /
                       seconds.back());
    }
    print(line, cost, spread_of(seconds), spread_of(shares));
  }

  static void print(const Line& line,
                    const kernels::Cost& cost,
                    const Spread& time,
                    const Spread& share) {
    std::printf(
        "| %s | %s | %.3f | %.1f | %.1f | %.0f %% | %.0f to %.0f %% |\n",
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

  Options options_;
  std::unique_ptr<Yardstick> yardstick_;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const auto next = [&] { return i + 1 < argc ? argv[++i] : ""; };
    if (arg == "--smoke") {
      options.files = {"bench/shapes/smoke.txt"};
      options.repetitions = 1;
      options.size = YardstickSize::kSmoke;
    } else if (arg == "--repetitions") {
      options.repetitions = std::max(1, std::atoi(next()));
    } else if (arg == "--only") {
      options.only = next();
    } else if (arg == "--device") {
      options.device = device_of(next());
    } else if (arg == "--type") {
      options.types.push_back(type_of(next()));
    } else {
      options.files.push_back(arg);
    }
  }
  if (options.types.empty()) {
    options.types = {DType::kF32};
    if (options.device == Device::kCuda) {
      options.types.push_back(DType::kBf16);
    }
  }
  if (options.files.empty()) {
    for (const char* name : {"gpt2_124m", "llama_1b", "memory", "generate"}) {
      options.files.push_back(fmt::format("bench/shapes/{}.txt", name));
    }
  }
  return options;
}

}  // namespace
}  // namespace dure::bench

int main(int argc, char** argv) {
  return dure::bench::exit_code_of(
      [&] { dure::bench::Bench(dure::bench::parse(argc, argv)).run(); });
}
