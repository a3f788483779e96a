// Training steps of GPT-2 124M: tokens/s, model FLOP/s, and the share of the
// rate of oneDNN's own sgemm in the same process.
//
//   step_bench [--preset NAME] [--batch B] [--sequence S] [--steps N] [--smoke]
//              [--operations]
//
// Model FLOPs are those of model/flops.h: products and causal attention,
// forward and backward, without recomputation. Before every step sgemm
// multiplies 2048 x 768 by 768 x 3072, so that both meet the same machine.
// Medians of N are shown, and the ratio is the median of the ratios.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <sys/resource.h>
#include <vector>

#include "bench/operations_table.h"
#include "bench/random_tokens.h"
#include "bench/sgemm_rate.h"
#include "dure/base/arithmetic.h"
#include "dure/base/trace.h"
#include "dure/model/families/families.h"
#include "dure/model/flops.h"
#include "dure/train/trainer.h"

namespace dure {
namespace {

struct Options {
  std::string preset = "gpt2-124m";
  std::int64_t batch = 4;
  std::int64_t sequence = 256;
  int steps = 7;
  bool operations = false;
};

double resident_peak_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return 1024.0 * static_cast<double>(usage.ru_maxrss);
}

train::Config config_of(const Options& options) {
  train::Config config;
  config.model = model::preset(options.preset);
  config.data.sequence = options.sequence;
  config.train.global_batch = options.batch;
  config.train.micro_batch = options.batch;
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

void run(const Options& options) {
  const train::Config config = config_of(options);
  train::Rank rank({});
  train::Trainer trainer(rank, config);
  const bench::RandomTokens data(options.sequence, config.model.vocabulary);
  const double tokens = static_cast<double>(options.batch * options.sequence);
  const double flops =
      tokens * model::flops_per_token(config.model, options.sequence);
  trainer.step(data);  // warms up: pages, primitives
  std::vector<double> step_seconds;
  std::vector<double> sgemm_rates;
  std::vector<double> ratios;
  for (int i = 0; i < options.steps; ++i) {
    sgemm_rates.push_back(bench::sgemm_rate());
    const double start = monotonic_seconds();
    trainer.step(data);
    step_seconds.push_back(monotonic_seconds() - start);
    ratios.push_back(flops / step_seconds.back() / sgemm_rates.back());
  }
  const double step = median(step_seconds);
  std::printf(
      "%s, batch %lld x %lld, fp32\n"
      "step               %.1f ms (%.1f to %.1f)\n"
      "tokens/s           %.1f\n"
      "model GFLOP/s      %.1f\n"
      "sgemm GFLOP/s      %.1f\n"
      "ratio              %.3f (%.3f to %.3f)\n",
      options.preset.c_str(),
      static_cast<long long>(options.batch),
      static_cast<long long>(options.sequence),
      1e3 * step,
      1e3 * *std::min_element(step_seconds.begin(), step_seconds.end()),
      1e3 * *std::max_element(step_seconds.begin(), step_seconds.end()),
      tokens / step,
      1e-9 * flops / step,
      1e-9 * median(sgemm_rates),
      median(ratios),
      *std::min_element(ratios.begin(), ratios.end()),
      *std::max_element(ratios.begin(), ratios.end()));
  print_memory(rank);
  if (options.operations) {
    Trace trace;
    rank.stream.set_trace(&trace);
    const double start = monotonic_seconds();
    trainer.step(data);
    bench::print_operations(trace, monotonic_seconds() - start);
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
      options.steps = std::atoi(next());
    } else if (arg == "--operations") {
      options.operations = true;
    } else if (arg == "--smoke") {
      options = {.batch = 1, .sequence = 16, .steps = 1, .operations = true};
    }
  }
  return options;
}

}  // namespace
}  // namespace dure

int main(int argc, char** argv) {
  dure::run(dure::parse(argc, argv));
}
