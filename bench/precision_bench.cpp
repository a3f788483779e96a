// fp32 beside bf16 and fp16: a training step, a layer, generation, and memory.
//
//   precision_bench [--only step|operations|layer|generate|memory]
//                   [--preset NAME] [--batch B] [--sequence S] [--prompt P]
//                   [--tokens N] [--rounds R] [--smoke]
//
// [precision] has its default keys, but for fp16 a fixed loss scale, because an
// overflow would skip an update. Each of R rounds measures fp32 and then bf16,
// and fp32 and then fp16; a ratio is that of such a pair, so both meet the same
// machine. Medians are shown, with the least and the most. On one thread
// (taskset -c 0) that thread's CPU time counts for step and generate.
//
// - step: whole steps of the trainer.
// - operations: the least time of each in a step.
// - layer: forward and backward of one block.
// - generate: one text, token by token, without reading its prompt.
// - memory: two steps in a process of its own for each precision: the peak of
//   its ledger beside the formula and the plan, and its resident peak.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/bench_main.h"
#include "bench/precision_memory.h"
#include "bench/precision_pairs.h"
#include "bench/random_tokens.h"
#include "bench/tiny_model.h"
#include "dure/base/trace.h"
#include "dure/infer/generator.h"
#include "dure/model/families/families.h"
#include "dure/model/stage_split.h"
#include "dure/plan/timed_layer.h"
#include "dure/train/draw_weights.h"
#include "dure/train/trainer.h"

namespace dure::bench {
namespace {

struct Options {
  std::string only = {};
  model::ModelConfig model = model::preset("gpt2-124m");
  std::int64_t batch = 4;
  std::int64_t sequence = 256;
  std::int64_t prompt = 64;
  std::int64_t tokens = 64;
  int rounds = 7;

  bool wants(const std::string& what) const {
    return only.empty() || only == what;
  }
};

train::Config config_of(const Options& options, train::Compute compute) {
  train::Config config;
  config.model = options.model;
  config.data.sequence = options.sequence;
  config.train.global_batch = options.batch;
  config.train.micro_batch = options.batch;
  config.precision.compute = compute;
  if (compute == train::Compute::kFp16) {
    config.precision.loss_scale = 1024;
  }
  return train::resolve(config);
}

class Step {
 public:
  Step(const Options& options, train::Compute compute)
      : config_(config_of(options, compute)),
        data_(options.sequence, config_.model.vocabulary),
        trainer_(rank_, config_) {}

  double seconds() {
    const double start = work_seconds();
    trainer_.step(data_);
    return work_seconds() - start;
  }

  // The operations of a step.
  std::map<std::string, Trace::Sum> operations() {
    Trace trace;
    rank_.stream.set_trace(&trace);
    trainer_.step(data_);
    rank_.stream.set_trace(nullptr);
    return trace.sums();
  }

 private:
  train::Config config_;
  RandomTokens data_;
  train::Rank rank_{{}};
  train::Trainer trainer_;
};

class Layer {
 public:
  Layer(const Options& options, train::Compute compute)
      : config_(config_of(options, compute)),
        layer_(rank_, config_, block_of(config_.model)) {}

  double seconds() {
    const plan::TimedLayer::Seconds seconds = layer_.run();
    return seconds.forward + seconds.backward;
  }

 private:
  static model::UnitRange block_of(const model::ModelConfig& model) {
    return model::split_layers(model).at(1).units;
  }

  train::Config config_;
  train::Rank rank_{{}};
  plan::TimedLayer layer_;
};

class Generation {
 public:
  Generation(const Options& options, train::Compute compute)
      : options_(options),
        config_(config_of(options, compute)),
        rank_model_(rank_,
                    config_.model,
                    1,
                    nn::Phase::kEvaluate,
                    {},
                    train::model_types(config_.precision)) {
    train::draw_weights(rank_, rank_model_, 1);
  }

  // The time of all tokens but the first, which takes the prompt's.
  double seconds() { return seconds_of(options_.tokens) - seconds_of(1); }

 private:
  double seconds_of(std::int64_t tokens) {
    const RandomStream random(7, "prompts");
    train::Tokens prompt;
    for (std::int64_t t = 0; t < options_.prompt; ++t) {
      prompt.push_back(static_cast<std::int32_t>(
          random.below(static_cast<std::uint64_t>(config_.model.vocabulary),
                       static_cast<std::uint64_t>(t))));
    }
    train::GenerateOptions generate;
    generate.tokens = tokens;
    generate.sampling.temperature = 0;
    train::Generator generator(rank_, rank_model_, generate);
    const double start = work_seconds();
    generator.run({prompt}, [](std::size_t, std::int32_t) {});
    return work_seconds() - start;
  }

  const Options& options_;
  train::Config config_;
  train::Rank rank_{{}};
  train::RankModel rank_model_;
};

// A Work of each precision.
template <typename Work>
std::vector<std::unique_ptr<Work>> works_of(const Options& options) {
  std::vector<std::unique_ptr<Work>> works;
  for (const Precision& precision : kPrecisions) {
    works.push_back(std::make_unique<Work>(options, precision.compute));
    works.back()->seconds();  // warms up: pages, caches
  }
  return works;
}

// Measures in pairs. A measurement is of so many tokens.
template <typename Work>
void compare(const Options& options, std::int64_t tokens) {
  const auto works = works_of<Work>(options);
  print_pairs(options.rounds, static_cast<double>(tokens), [&](std::size_t i) {
    return works[i]->seconds();
  });
}

void print_operations(const Options& options) {
  const auto works = works_of<Step>(options);
  OperationTimes times;
  for (int round = 0; round < options.rounds; ++round) {
    for (std::size_t i = 0; i < works.size(); ++i) {
      for (const auto& [name, sum] : works[i]->operations()) {
        times.add(name, i, sum.seconds);
      }
    }
  }
  times.print();
}

void print_memory(const Options& options) {
  print_memory_header();
  for (const Precision& precision : kPrecisions) {
    print_memory_row(precision,
                     config_of(options, precision.compute),
                     RandomTokens(options.sequence, options.model.vocabulary));
  }
}

// Memory comes first: its processes are forks, and must not have the pages of
// what was measured before, nor its threads.
void run(const Options& options) {
  const auto batch = std::to_string(options.batch) + " x " +
                     std::to_string(options.sequence) + " tokens";
  const std::string name = options.model.preset;
  if (options.wants("memory")) {
    std::printf(
        "\nmemory of a step of %s, %s\n\n", name.c_str(), batch.c_str());
    print_memory(options);
  }
  if (options.wants("step")) {
    std::printf("\na step of %s, %s\n\n", name.c_str(), batch.c_str());
    compare<Step>(options, options.batch * options.sequence);
  }
  if (options.wants("operations")) {
    std::printf("\nthe operations of this step, ms\n\n");
    print_operations(options);
  }
  if (options.wants("layer")) {
    std::printf("\na block of %s, %s\n\n", name.c_str(), batch.c_str());
    compare<Layer>(options, options.batch * options.sequence);
  }
  if (options.wants("generate")) {
    std::printf("\none text from %s: %lld tokens after %lld\n\n",
                name.c_str(),
                static_cast<long long>(options.tokens),
                static_cast<long long>(options.prompt));
    compare<Generation>(options, options.tokens - 1);
  }
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const auto next = [&] { return i + 1 < argc ? argv[++i] : ""; };
    if (arg == "--only") {
      options.only = next();
    } else if (arg == "--preset") {
      options.model = model::preset(next());
    } else if (arg == "--batch") {
      options.batch = std::atoll(next());
    } else if (arg == "--sequence") {
      options.sequence = std::atoll(next());
    } else if (arg == "--prompt") {
      options.prompt = std::atoll(next());
    } else if (arg == "--tokens") {
      options.tokens = std::atoll(next());
    } else if (arg == "--rounds") {
      options.rounds = std::max(1, std::atoi(next()));
    } else if (arg == "--smoke") {
      options = {.model = tiny_model(),
                 .batch = 1,
                 .sequence = 16,
                 .prompt = 4,
                 .tokens = 4,
                 .rounds = 1};
    }
  }
  return options;
}

}  // namespace
}  // namespace dure::bench

int main(int argc, char** argv) {
  return dure::bench::exit_code_of(
      [&] { dure::bench::run(dure::bench::parse(argc, argv)); });
}
