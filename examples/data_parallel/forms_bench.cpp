// Compares the forms of data parallelism: time, traffic and memory.
//
//   forms_bench [--preset NAME] [--layers L] [--ranks N] [--batch B]
//               [--sequence S] [--rounds R] [--simulate] [--gigabits G]
//               [--smoke]
//
// Ranks are threads of this process, and data travels by the back end's
// quickest algorithm. In a round each form takes one step, so that all meet the
// same machine; medians are shown. A form is made and destroyed for every step,
// to save memory; one step before it warms up. Bytes are those of messages
// (examples/data_parallel/form_plan.h), memory is the ledger's peak.
//
// With --simulate the same steps run on Device::kSim, with one rank on each
// node, by the plans' algorithms, on a network of G Gbit/s; the time is rank
// 0's clock.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "bench/bench_main.h"
#include "bench/random_tokens.h"
#include "bench/spread.h"
#include "bench/tiny_model.h"
#include "dure/base/check.h"
#include "dure/launch/run_ranks.h"
#include "dure/model/families/families.h"
#include "examples/data_parallel/form_trainer.h"

namespace dure::bench {
namespace {

using data_parallel::Form;

struct Options {
  model::ModelConfig model = model::preset("gpt2-124m");
  int ranks = 2;
  std::int64_t batch = 8;
  std::int64_t sequence = 256;
  int rounds = 5;
  bool simulate = false;
  double gigabits = 10;  // a second
};

// The rates of a GPU in round figures.
constexpr DeviceRates kGpu = {.flops_per_second = 100e12,
                              .bytes_per_second = 1.5e12};
constexpr double kLatencySeconds = 20e-6;

train::Config config_of(const Options& options) {
  train::Config config;
  config.model = options.model;
  config.data.sequence = options.sequence;
  config.train.global_batch = options.batch;
  config.train.micro_batch = options.batch / options.ranks;
  config.parallel.data = options.ranks;
  return train::resolve(config);
}

struct Held {
  double total = 0;
  double communication = 0;
};

// The measurements of one form.
struct Measured {
  std::vector<double> seconds;
  std::vector<Held> held;  // by rank
  std::vector<data_parallel::FormTraffic> traffic;
};

Held held_by(const train::Rank& rank) {
  const Ledger& ledger = rank.arena.ledger();
  return {.total = static_cast<double>(ledger.peak()),
          .communication =
              static_cast<double>(ledger.peak(Category::kCommunication))};
}

// Ranks write to their own elements, which exist already.
void measure_step(const Options& options, Form form, Measured& measured) {
  const auto ranks = static_cast<std::size_t>(options.ranks);
  measured.held.resize(ranks);
  measured.traffic.resize(ranks);
  const RandomTokens data(options.sequence, options.model.vocabulary);
  double seconds = 0;
  launch::run_ranks({.ranks = options.ranks}, [&](comm::Communicator& world) {
    train::Rank rank({.world = &world});
    const auto trainer =
        data_parallel::make_form_trainer(rank, config_of(options), form);
    trainer->step(data);
    const Spread spread = measure(1, [&] {
      world.run(rank.stream, comm::Barrier{});
      trainer->step(data);
      trainer->parameters();
      world.run(rank.stream, comm::Barrier{});
    });
    const auto i = static_cast<std::size_t>(world.rank());
    measured.held[i] = held_by(rank);
    measured.traffic[i] = traffic_of(trainer->plan(), world.rank());
    if (world.rank() == 0) {
      seconds = spread.median;
    }
  });
  measured.seconds.push_back(seconds);
}

void simulate_step(const Options& options, Form form, Measured& measured) {
  const RandomTokens data(options.sequence, options.model.vocabulary);
  const comm::Link link = {.latency_seconds = kLatencySeconds,
                           .bytes_per_second = options.gigabits * 1e9 / 8};
  for (const int i : {0, options.ranks - 1}) {
    train::Rank rank(
        {.device = Device::kSim,
         .rates = kGpu,
         .simulated = {
             .rank = i, .ranks = options.ranks, .network = {.between = link}}});
    const auto trainer = data_parallel::make_form_trainer(
        rank, config_of(options), form, data_parallel::Route::kPlanned);
    trainer->step(data);
    const double start = rank.stream.seconds();
    trainer->step(data);
    trainer->parameters();
    if (i == 0) {
      measured.seconds.push_back(rank.stream.seconds() - start);
    }
    measured.held.push_back(held_by(rank));
    measured.traffic.push_back(traffic_of(trainer->plan(), i));
  }
}

double megabytes(const data_parallel::FormTraffic& traffic) {
  return 1e-6 * static_cast<double>(traffic.sent + traffic.received);
}

void print_row(Form form, const Measured& measured) {
  const Spread spread = spread_of(measured.seconds);
  const Held& root = measured.held.front();
  const Held& other = measured.held.back();
  std::printf(
      "| %s | %.1f (%.1f to %.1f) | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f "
      "|\n",
      name_of(form),
      1e3 * spread.median,
      1e3 * spread.least,
      1e3 * spread.most,
      megabytes(measured.traffic.front()),
      megabytes(measured.traffic.back()),
      1e-6 * root.total,
      1e-6 * other.total,
      1e-6 * root.communication,
      1e-6 * other.communication);
  std::fflush(stdout);
}

void run(const Options& options) {
  std::map<Form, Measured> measured;
  for (int round = 0; round < options.rounds; ++round) {
    for (const Form form : data_parallel::kForms) {
      if (options.simulate) {
        simulate_step(options, form, measured[form]);
      } else {
        measure_step(options, form, measured[form]);
      }
    }
  }
  std::printf(
      "%s, %d ranks, %lld x %lld tokens a step; MB sent and received, "
      "MB held at most\n\n",
      options.simulate ? "simulated" : "threads",
      options.ranks,
      static_cast<long long>(options.batch),
      static_cast<long long>(options.sequence));
  std::printf(
      "| form | ms a step | rank 0's MB | another's | rank 0 holds | "
      "another | of it travels, rank 0 | another |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (const Form form : data_parallel::kForms) {
    print_row(form, measured[form]);
  }
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const auto value = [&] { return i + 1 < argc ? argv[++i] : ""; };
    if (name == "--smoke") {
      options = {
          .model = tiny_model(), .batch = 4, .sequence = 16, .rounds = 1};
    } else if (name == "--simulate") {
      options.simulate = true;
    } else if (name == "--gigabits") {
      options.gigabits = std::atof(value());
    } else if (name == "--preset") {
      options.model = model::preset(value());
    } else if (name == "--layers") {
      options.model.layers = std::atoll(value());
    } else if (name == "--ranks") {
      options.ranks = std::atoi(value());
    } else if (name == "--batch") {
      options.batch = std::atoll(value());
    } else if (name == "--sequence") {
      options.sequence = std::atoll(value());
    } else if (name == "--rounds") {
      options.rounds = std::atoi(value());
    } else {
      throw UsageError("unknown option " + name);
    }
  }
  if (options.simulate) {
    options.rounds = 1;  // a clock that does not vary
  }
  return options;
}

}  // namespace
}  // namespace dure::bench

int main(int argc, char** argv) {
  return dure::bench::exit_code_of(
      [&] { dure::bench::run(dure::bench::parse(argc, argv)); });
}
