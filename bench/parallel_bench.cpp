// Compares training steps on ranks that share the machine's cores with one rank
// that has them all: data parallelism, ZeRO's stages, tensor parallelism.
//
//   parallel_bench [--preset NAME] [--ranks N] [--batch B] [--sequence S]
//                  [--micro-batch M] [--rounds N] [--only LAYOUTS]
//                  [--operations] [--smoke]
//
// LAYOUTS are from "one,0,1,2,3,tensor,sequence": one rank; N ranks that share
// the batch, with these stages; N ranks that share every matrix, with the
// residual stream whole or cut by rows. A round takes one step of each layout,
// forwards and backwards in turn, so that all meet the same machine. Medians
// are shown, and the ratio is the median of the ratios to the one rank of the
// same round. All have the same micro-batch, so products have the same size. A
// layout is made and destroyed for every step, to save memory; a step of one
// micro-batch a rank before it warms up. The last round has another step with a
// trace, for the communication, its part that is hidden behind compute and,
// with --operations, the time of each operation.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "bench/operations_table.h"
#include "bench/random_tokens.h"
#include "bench/spread.h"
#include "bench/tiny_model.h"
#include "dure/base/trace.h"
#include "dure/launch/run_ranks.h"
#include "dure/model/families/families.h"
#include "dure/train/options.h"
#include "dure/train/trainer.h"

namespace dure::bench {
namespace {

struct Options {
  model::ModelConfig model = model::preset("gpt2-124m");
  int ranks = 2;
  std::int64_t batch = 16;
  std::int64_t sequence = 256;
  std::int64_t micro_batch = 4;
  int rounds = 3;
  std::string only = "one,0,1,2,3";
  bool operations = false;
};

struct Layout {
  std::string name;
  int ranks = 1;
  std::int64_t stage = 0;
  std::int64_t tensor = 1;
  bool sequence = false;

  std::int64_t data() const { return ranks / tensor; }
};

enum class WithTrace : std::uint8_t { kNo, kYes };

// The trace of the first rank.
struct Traced {
  Trace::Overlap overlap;
  std::uint64_t bytes = 0;  // communicated in a step
  BytesByCategory peaks{};
  std::size_t peak = 0;
};

struct Results {
  std::map<std::string, std::vector<double>> rates;  // tokens/s, a round each
  std::map<std::string, Traced> traced;
};

std::vector<Layout> layouts_of(const Options& options) {
  std::vector<Layout> layouts;
  std::istringstream names(options.only);
  for (std::string name; std::getline(names, name, ',');) {
    if (name == "one") {
      layouts.push_back({.name = "1 rank"});
    } else if (name == "tensor" || name == "sequence") {
      layouts.push_back(
          {.name = std::to_string(options.ranks) + " ranks, " + name,
           .ranks = options.ranks,
           .tensor = options.ranks,
           .sequence = name == "sequence"});
    } else {
      layouts.push_back(
          {.name = std::to_string(options.ranks) + " ranks, ZeRO " + name,
           .ranks = options.ranks,
           .stage = std::atoll(name.c_str())});
    }
  }
  return layouts;
}

train::Config config_of(const Options& options, const Layout& layout) {
  train::Config config;
  config.model = options.model;
  config.data.sequence = options.sequence;
  config.train.global_batch = options.batch;
  config.train.micro_batch = options.micro_batch;
  const std::int64_t first = options.micro_batch * layout.data();
  if (first < options.batch) {  // the warm-up step
    config.train.batch_rampup = {first, options.batch - first, 1};
  }
  config.parallel.data = layout.data();
  config.parallel.tensor = layout.tensor;
  config.parallel.sequence = layout.sequence;
  config.parallel.zero = layout.stage;
  return train::resolve(config);
}

std::uint64_t communicated(const comm::Communicator& world) {
  std::uint64_t bytes = 0;
  for (const auto& [axis, counts] : world.traffic().by_axis()) {
    for (const comm::Traffic::Count& count : counts) {
      bytes += count.bytes;
    }
  }
  return bytes;
}

// Collective: another step, with a trace.
Traced trace_step(train::Rank& rank,
                  train::Trainer& trainer,
                  const RandomTokens& data,
                  const Options& options) {
  Trace trace;
  const std::uint64_t before = communicated(rank.world());
  rank.stream.set_trace(&trace);
  const double start = monotonic_seconds();
  trainer.step(data);
  const double seconds = monotonic_seconds() - start;
  rank.stream.set_trace(nullptr);
  Traced traced = {.overlap = trace.overlap(),
                   .bytes = communicated(rank.world()) - before,
                   .peak = rank.arena.ledger().peak()};
  for (std::size_t c = 0; c < kCategories; ++c) {
    traced.peaks[c] = rank.arena.ledger().peak(static_cast<Category>(c));
  }
  if (options.operations && rank.is_first()) {
    print_operations(trace, seconds);
  }
  return traced;
}

void measure(const Options& options,
             const Layout& layout,
             WithTrace with_trace,
             Results& into) {
  const train::Config config = config_of(options, layout);
  const auto body = [&](comm::Communicator& world) {
    train::RankOptions rank_options = train::rank_options(config);
    rank_options.world = &world;
    train::Rank rank(rank_options);
    train::Trainer trainer(rank, config);
    const RandomTokens data(options.sequence, config.model.vocabulary);
    trainer.step(data);
    const double start = monotonic_seconds();
    const double tokens = static_cast<double>(trainer.step(data).tokens);
    const double rate = tokens / (monotonic_seconds() - start);
    if (rank.is_first()) {
      into.rates[layout.name].push_back(rate);
    }
    if (with_trace == WithTrace::kYes) {
      const Traced traced = trace_step(rank, trainer, data, options);
      if (rank.is_first()) {
        into.traced[layout.name] = traced;
      }
    }
  };
  launch::run_ranks({.ranks = layout.ranks}, body);
}

std::string ratio_cell(const Results& results, const std::string& name) {
  const auto one = results.rates.find("1 rank");
  return one == results.rates.end()
             ? "-"
             : ratio_text(results.rates.at(name), one->second);
}

std::string hidden_cell(const Trace::Overlap& overlap) {
  if (overlap.communication == 0) {
    return "- | -";
  }
  char text[64];
  std::snprintf(text,
                sizeof text,
                "%.2f s | %.1f %%",
                overlap.communication,
                100 * overlap.hidden / overlap.communication);
  return text;
}

void print_rates(const std::vector<Layout>& layouts, const Results& results) {
  std::printf(
      "\n| layout | tokens/s | / 1 rank | communicated | takes | hidden |\n"
      "| --- | --- | --- | --- | --- | --- |\n");
  for (const Layout& layout : layouts) {
    const Spread rate = spread_of(results.rates.at(layout.name));
    const Traced& traced = results.traced.at(layout.name);
    std::printf("| %s | %.1f (%.1f to %.1f) | %s | %.1f MB | %s |\n",
                layout.name.c_str(),
                rate.median,
                rate.least,
                rate.most,
                ratio_cell(results, layout.name).c_str(),
                1e-6 * static_cast<double>(layout.ranks > 1 ? traced.bytes : 0),
                hidden_cell(traced.overlap).c_str());
  }
}

void print_memory(const std::vector<Layout>& layouts, const Results& results) {
  std::printf("\nPeaks on rank 0, MB\n\n| layout |");
  for (std::size_t c = 0; c < kCategories; ++c) {
    std::printf(" %s |", name_of(static_cast<Category>(c)));
  }
  std::printf(" all at once |\n|");
  for (std::size_t c = 0; c < kCategories + 2; ++c) {
    std::printf(" --- |");
  }
  for (const Layout& layout : layouts) {
    const Traced& traced = results.traced.at(layout.name);
    std::printf("\n| %s |", layout.name.c_str());
    for (const std::size_t peak : traced.peaks) {
      std::printf(" %.1f |", 1e-6 * static_cast<double>(peak));
    }
    std::printf(" %.1f |", 1e-6 * static_cast<double>(traced.peak));
  }
  std::printf("\n");
}

void run(const Options& options) {
  std::vector<Layout> layouts = layouts_of(options);
  const std::vector<Layout> as_printed = layouts;
  Results results;
  for (int round = 0; round < options.rounds; ++round) {
    for (const Layout& layout : layouts) {
      std::fprintf(stderr,
                   "round %d of %d: %s\n",
                   round + 1,
                   options.rounds,
                   layout.name.c_str());
      const bool last = round + 1 == options.rounds;
      if (last && options.operations) {
        std::printf("\n%s", layout.name.c_str());
      }
      measure(
          options, layout, last ? WithTrace::kYes : WithTrace::kNo, results);
    }
    std::reverse(layouts.begin(), layouts.end());
  }
  std::printf("\n%s, batch %lld x %lld, micro-batches of %lld, fp32\n",
              options.model.preset.c_str(),
              static_cast<long long>(options.batch),
              static_cast<long long>(options.sequence),
              static_cast<long long>(options.micro_batch));
  print_rates(as_printed, results);
  print_memory(as_printed, results);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const auto next = [&] { return i + 1 < argc ? argv[++i] : ""; };
    if (arg == "--preset") {
      options.model = model::preset(next());
    } else if (arg == "--ranks") {
      options.ranks = std::atoi(next());
    } else if (arg == "--batch") {
      options.batch = std::atoll(next());
    } else if (arg == "--sequence") {
      options.sequence = std::atoll(next());
    } else if (arg == "--micro-batch") {
      options.micro_batch = std::atoll(next());
    } else if (arg == "--rounds") {
      options.rounds = std::atoi(next());
    } else if (arg == "--only") {
      options.only = next();
    } else if (arg == "--operations") {
      options.operations = true;
    } else if (arg == "--smoke") {
      options = {.model = tiny_model(),
                 .batch = 4,
                 .sequence = 16,
                 .micro_batch = 1,
                 .rounds = 1,
                 .only = options.only + ",tensor,sequence"};
    }
  }
  return options;
}

}  // namespace
}  // namespace dure::bench

int main(int argc, char** argv) {
  dure::bench::run(dure::bench::parse(argc, argv));
}
