// Training steps of GPT-2 124M: tokens/s, model FLOP/s, and the share of the
// rate of a matrix product by the library of the device's maker in the same
// process: oneDNN's sgemm, or cuBLASLt's product of the type.
//
//   step_bench [--preset NAME] [--batch B] [--sequence S] [--steps N] [--smoke]
//              [--device cpu|cuda] [--type f32|bf16|f16] [--together K]
//              [--operations]
//
// Model FLOPs are those of model/flops.h: products and causal attention,
// forward and backward, without recomputation. The product is timed before
// every round of K steps (one on a CPU, ten on a GPU), so that both meet the
// same machine. A GPU's step begins before the host has read how the one before
// it ended, as in a run. Medians of N rounds are shown, and the ratio is the
// median of the ratios.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <sys/resource.h>
#include <vector>

#include "bench/bench_main.h"
#include "bench/device_options.h"
#include "bench/operations_table.h"
#include "bench/random_tokens.h"
#include "bench/sgemm_rate.h"
#include "bench/tiny_model.h"
#include "dure/base/spread.h"
#include "dure/base/trace.h"
#include "dure/model/families/families.h"
#include "dure/model/flops.h"
#include "dure/roofline/yardstick.h"
#include "dure/train/options.h"
#include "dure/train/trainer.h"

namespace dure {
namespace {

struct Options {
  std::string preset = "gpt2-124m";
  std::int64_t batch = 4;
  std::int64_t sequence = 256;
  int steps = 7;
  int together = 0;  // 0: as the device says
  Device device = Device::kCpu;
  DType type = DType::kF32;
  bool is_smoke = false;
  bool operations = false;
};

double resident_peak_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return 1024.0 * static_cast<double>(usage.ru_maxrss);
}

train::Config config_of(const Options& options) {
  train::Config config;
  config.model =
      options.is_smoke ? bench::tiny_model() : model::preset(options.preset);
  config.data.sequence = options.sequence;
  config.train.global_batch = options.batch;
  config.train.micro_batch = options.batch;
  config.train.device = options.device;
  config.precision.compute = options.type == DType::kF32 ? train::Compute::kFp32
                             : options.type == DType::kBf16
                                 ? train::Compute::kBf16
                                 : train::Compute::kFp16;
  return train::resolve(config);
}

void print_memory(const train::Rank& rank) {
  const Ledger& ledger = rank.arena.ledger();
  std::printf("\npeak memory        ");
  for (std::size_t c = 0; c < kCategories; ++c) {
    const auto category = static_cast<Category>(c);
    std::printf("%s %.1f MB  ",
                name_of(category),
                1e-6 * static_cast<double>(ledger.peak(category)));
  }
  std::printf("\nledger's peak      %.1f MB\nresident peak      %.1f MB\n",
              1e-6 * static_cast<double>(ledger.peak()),
              1e-6 * resident_peak_bytes());
}

// The seconds of a step of a round of them.
double round_seconds(train::Trainer& trainer,
                     const data::Dataset& data,
                     int steps) {
  const double start = monotonic_seconds();
  trainer.begin(data);
  for (int i = 1; i < steps; ++i) {
    trainer.begin(data);
    trainer.end();
  }
  trainer.end();
  return (monotonic_seconds() - start) / steps;
}

void print_rounds(const Options& options,
                  double flops,
                  const std::vector<double>& step_seconds,
                  const std::vector<double>& product_rates) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < step_seconds.size(); ++i) {
    ratios.push_back(flops / step_seconds[i] / product_rates[i]);
  }
  const Spread step = spread_of(step_seconds);
  const Spread ratio = spread_of(ratios);
  std::printf(
      "%s, batch %lld x %lld, %s\n"
      "step               %.1f ms (%.1f to %.1f)\n"
      "tokens/s           %.1f\n"
      "model GFLOP/s      %.1f\n"
      "product GFLOP/s    %.1f\n"
      "ratio              %.3f (%.3f to %.3f)\n",
      options.preset.c_str(),
      static_cast<long long>(options.batch),
      static_cast<long long>(options.sequence),
      name_of(options.type),
      1e3 * step.median,
      1e3 * step.least,
      1e3 * step.most,
      static_cast<double>(options.batch * options.sequence) / step.median,
      1e-9 * flops / step.median,
      1e-9 * spread_of(product_rates).median,
      ratio.median,
      ratio.least,
      ratio.most);
}

void print_traced_step(train::Rank& rank,
                       train::Trainer& trainer,
                       const data::Dataset& data) {
  Trace trace;
  rank.stream.set_trace(&trace);
  const double start = monotonic_seconds();
  trainer.step(data);
  rank.stream.set_trace(nullptr);
  bench::print_operations(trace, monotonic_seconds() - start);
}

// The unit of the ratio.
class ProductRate {
 public:
  explicit ProductRate(const Options& options) : type_(options.type) {
    if (options.device == Device::kCuda) {
      gpu_ = roofline::yardstick_of(options.device,
                                    options.is_smoke
                                        ? roofline::YardstickSize::kSmoke
                                        : roofline::YardstickSize::kFull);
    }
  }

  double measure() const {
    return gpu_ != nullptr ? gpu_->product_rate(type_) : bench::sgemm_rate();
  }

 private:
  DType type_;
  std::unique_ptr<roofline::Yardstick> gpu_;
};

void run(const Options& options) {
  const train::Config config = config_of(options);
  train::Rank rank(train::rank_options(config));
  train::Trainer trainer(rank, config);
  const bench::RandomTokens data(options.sequence, config.model.vocabulary);
  const double flops = static_cast<double>(options.batch * options.sequence) *
                       model::flops_per_token(config.model, options.sequence);
  round_seconds(trainer, data, 2);  // warms up: pages, primitives
  const ProductRate product(options);
  std::vector<double> step_seconds;
  std::vector<double> product_rates;
  for (int i = 0; i < options.steps; ++i) {
    product_rates.push_back(product.measure());
    step_seconds.push_back(round_seconds(trainer, data, options.together));
  }
  print_rounds(options, flops, step_seconds, product_rates);
  print_memory(rank);
  if (options.operations) {
    print_traced_step(rank, trainer, data);
  }
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const auto next = [&] { return i + 1 < argc ? argv[++i] : ""; };
    if (arg == "--preset") {
      options.preset = next();
    } else if (arg == "--batch") {
      options.batch = std::atoll(next());
    } else if (arg == "--sequence") {
      options.sequence = std::atoll(next());
    } else if (arg == "--steps") {
      options.steps = std::max(1, std::atoi(next()));
    } else if (arg == "--together") {
      options.together = std::max(1, std::atoi(next()));
    } else if (arg == "--device") {
      options.device = bench::device_of(next());
    } else if (arg == "--type") {
      options.type = bench::type_of(next());
    } else if (arg == "--operations") {
      options.operations = true;
    } else if (arg == "--smoke") {
      options = {.preset = "tiny",
                 .batch = 1,
                 .sequence = 16,
                 .steps = 1,
                 .together = 1,
                 .device = options.device,
                 .type = options.type,
                 .is_smoke = true,
                 .operations = true};
    }
  }
  if (options.together == 0) {
    options.together = options.device == Device::kCuda ? 10 : 1;
  }
  return options;
}

}  // namespace
}  // namespace dure

int main(int argc, char** argv) {
  return dure::bench::exit_code_of([&] { dure::run(dure::parse(argc, argv)); });
}
