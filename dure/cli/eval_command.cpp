// `dure eval`: loss and perplexity of a checkpoint on a data set.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/log.h"
#include "dure/base/progress.h"
#include "dure/checkpoint/sharded/load_weights.h"
#include "dure/checkpoint/sharded/same_files.h"
#include "dure/checkpoint/weight_source.h"
#include "dure/cli/commands.h"
#include "dure/cli/compute_options.h"
#include "dure/cli/output.h"
#include "dure/cli/rank_options.h"
#include "dure/comm/host_ranks.h"
#include "dure/data/build_datasets.h"
#include "dure/mesh/fit.h"
#include "dure/train/evaluate.h"

namespace dure::cli {
namespace {

struct Options {
  std::string checkpoint;
  std::vector<std::string> data;
  std::string split;
  std::string part = "test";
  std::int64_t sequence = 0;
  std::int64_t batch = 4;
  std::int64_t samples = 0;
  bool json = false;
  int zero = 0;
  int tensor = 1;
  int pipeline = 1;
  ComputeOptions compute;
  launch::LaunchOptions ranks;
};

data::Part part_of(const Options& options) {
  if (options.split.empty() || options.part == "train") {
    return data::Part::kTrain;  // without a split all is there
  }
  return options.part == "validation" ? data::Part::kValidation
                                      : data::Part::kTest;
}

data::Mixture open_data(const Options& options,
                        std::int64_t sequence,
                        std::int64_t vocabulary,
                        const Log& log) {
  data::DataConfig config;
  config.train = options.data;
  config.split = options.split;
  config.sequence = sequence;
  return data::open_once(
      config, part_of(options), {.vocabulary = vocabulary, .log = &log});
}

void print(const Options& options,
           double loss,
           std::int64_t samples,
           std::int64_t tokens) {
  DURE_CHECK(std::isfinite(loss),
             "the loss is {:g}: the model's weights hold numbers that are not "
             "finite, or are too large for its sums",
             loss);
  const double perplexity = std::exp(loss);
  if (options.json) {  // which has no infinity: null
    put_json({{"loss", loss},
              {"perplexity", perplexity},
              {"samples", samples},
              {"tokens", tokens}});
  } else {
    fmt::print("loss        {:.6f}\nperplexity  {:.4f}\ntokens      {}\n",
               loss,
               perplexity,
               tokens);
  }
}

mesh::Mesh mesh_of(const Options& options, int ranks) {
  return mesh::Mesh(mesh::fit(
      {.pipe = options.pipeline, .data = mesh::kAuto, .tensor = options.tensor},
      ranks));
}

// The weighted mean of the losses on each data set, over its first so many
// samples.
double loss_of(train::Rank& rank,
               const train::RankModel& rank_model,
               const data::Mixture& mixture,
               const std::vector<std::int64_t>& samples,
               std::int64_t batch) {
  std::optional<Progress> progress;
  if (rank.is_first()) {
    progress.emplace("eval",
                     static_cast<std::uint64_t>(std::accumulate(
                         samples.begin(), samples.end(), std::int64_t{0})));
  }
  double loss = 0;
  std::int64_t before = 0;
  for (std::size_t i = 0; i < mixture.size(); ++i) {
    const data::Dataset& dataset = *mixture[i].dataset;
    const auto show = [&](std::int64_t done, double so_far) {
      if (progress) {
        progress->update(static_cast<std::uint64_t>(before + done),
                         fmt::format("loss {:.4f}", so_far));
      }
    };
    loss += mixture[i].weight *
            train::evaluate(rank,
                            rank_model,
                            dataset,
                            {.samples = samples[i],
                             .micro_batch = batch,
                             .sequence = dataset.sample_tokens() - 1,
                             .on_progress = show})
                .value();
    before += samples[i];
  }
  return loss;
}

void eval(const Options& options, comm::Communicator& world) {
  const Log log;
  comm::HostRanks ranks(world);
  const Path folder = train::find_weights(ranks, options.checkpoint, log);
  const auto source = checkpoint::open_found_weights(folder);
  const model::ModelConfig& config = source->config();
  const std::int64_t sequence =
      options.sequence > 0 ? options.sequence : config.max_sequence;
  if (sequence > config.max_sequence) {
    throw UsageError("--sequence {} is longer than the model's {} positions",
                     sequence,
                     config.max_sequence);
  }
  model::validate_tensor(config, options.tensor, "--tensor");
  train::expect_same_files(
      ranks, [&] { return train::facts_of_data({.train = options.data}); });
  const data::Mixture mixture = ranks.first_rank_first(
      [&] { return open_data(options, sequence, config.vocabulary, log); });
  const mesh::Mesh mesh = mesh_of(options, world.size());
  train::Rank rank(
      {.device = device_of(options.compute), .world = &world, .mesh = mesh});
  train::RankModel rank_model(rank,
                              config,
                              0,
                              nn::Phase::kEvaluate,
                              {.stage = options.zero},
                              types_of(options.compute, *source));
  train::load_weights(rank, rank_model, *source);
  const std::vector<std::int64_t> shares =
      options.samples > 0 ? data::share_out(mixture, options.samples)
                          : data::sizes_of(mixture);
  const std::int64_t samples =
      std::accumulate(shares.begin(), shares.end(), std::int64_t{0});
  const double loss = loss_of(rank, rank_model, mixture, shares, options.batch);
  if (rank.is_first()) {
    print(options, loss, samples, samples * sequence);
  }
}

}  // namespace

void add_eval(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "eval", "Prints the loss and perplexity of a model on a data set");
  command
      ->add_option("--checkpoint",
                   options->checkpoint,
                   "A checkpoint, a run's directory of them (the newest is "
                   "taken), or a Hugging Face model")
      ->required();
  command
      ->add_option("--data",
                   options->data,
                   "Prefixes that `dure preprocess` wrote, or weights and "
                   "prefixes in turn: each is read once, and the losses are "
                   "weighed")
      ->required();
  CLI::Option* split = command->add_option(
      "--split",
      options->split,
      "Shares of train, validation and test, as in data.split");
  command->add_option("--part", options->part, "The part of the split")
      ->needs(split)
      ->check(CLI::IsMember({"train", "validation", "test"}))
      ->capture_default_str();
  command
      ->add_option("--sequence",
                   options->sequence,
                   "Tokens in a sample [the model's positions]")
      ->check(CLI::PositiveNumber);
  command->add_option("--batch", options->batch, "Samples at once")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option(
          "--samples", options->samples, "The first so many, by weight [all]")
      ->check(CLI::PositiveNumber);
  add_compute_options(*command, options->compute);
  add_rank_options(*command, options->ranks);
  command
      ->add_option("--zero",
                   options->zero,
                   "3: each rank holds a part of the weights, and gathers a "
                   "layer's when it needs them")
      ->check(CLI::IsMember({0, 3}))
      ->capture_default_str();
  command
      ->add_option("--tensor",
                   options->tensor,
                   "Ranks that share each matrix; the others share the samples")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      ->add_option("--pipeline",
                   options->pipeline,
                   "Stages that the layers are cut into; --ranks is a multiple "
                   "of --tensor times this")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_flag("--json", options->json, "Print an object");
  command->footer(
      "Example:\n"
      "  dure eval --checkpoint out/run/checkpoints --data out/text "
      "--split 969,30,1 --part validation --ranks 2\n"
      "Stages of two ranks that share each matrix, twice:\n"
      "  dure eval --checkpoint out/run/checkpoints --data out/text "
      "--ranks 8 --tensor 2 --pipeline 2");
  command->callback([options] {
    on_ranks(options->ranks,
             [&](comm::Communicator& world) { eval(*options, world); });
  });
}

}  // namespace dure::cli
