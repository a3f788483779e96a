// `dure generate`: text from a checkpoint.
#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/trace.h"
#include "dure/checkpoint/generation_config.h"
#include "dure/checkpoint/sharded/load_weights.h"
#include "dure/checkpoint/weight_source.h"
#include "dure/cli/commands.h"
#include "dure/cli/compute_options.h"
#include "dure/cli/output.h"
#include "dure/cli/rank_options.h"
#include "dure/comm/host_ranks.h"
#include "dure/data/preprocess/text_source.h"
#include "dure/data/tokenizer/stream_decoder.h"
#include "dure/data/tokenizer/tokenizer.h"
#include "dure/infer/generator.h"
#include "dure/run/run_checkpoint.h"

namespace dure::cli {
namespace {

struct Options {
  std::string checkpoint;
  std::string tokenizer;
  std::vector<std::string> prompts;
  std::string prompt_file;
  train::GenerateOptions generate;
  std::int64_t seed = 1234;
  bool no_cache = false;
  bool json = false;
  launch::LaunchOptions ranks;
  int zero = 0;
  int pipeline = 1;
  ComputeOptions compute;
};

// The first rank reads the file for all, because a pipe can be read once.
std::vector<std::string> prompts_of(const Options& options,
                                    comm::HostRanks& ranks) {
  std::vector<std::string> prompts = options.prompts;
  if (!options.prompt_file.empty()) {
    const std::string text = ranks.first_rank_says([&] {
      return data::whole_text(*data::open_text(options.prompt_file));
    });
    for (std::string& line : data::lines_of(text)) {
      prompts.push_back(std::move(line));
    }
  }
  if (prompts.empty()) {
    throw UsageError("nothing to go on from: give --prompt or --prompt-file");
  }
  return prompts;
}

// Prints the first text as it grows, and each later one as a whole when its
// turn comes. It prints nothing before the first token.
class Printer {
 public:
  Printer(const data::Tokenizer& tokenizer,
          const std::vector<std::string>& prompts,
          const std::vector<train::Tokens>& tokens) {
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      const std::string number =
          fmt::format("{}[{}] ", i > 0 ? "\n" : "", i + 1);
      texts_.push_back(
          {.unseen = (prompts.size() > 1 ? number : "") + prompts[i],
           .decoder = data::StreamDecoder(tokenizer, tokens[i])});
    }
  }

  void add(std::size_t prompt, std::int32_t token) {
    Text& text = texts_[prompt];
    text.unseen += text.decoder.add(token);
    if (prompt == 0) {
      show(text);
    }
  }

  void finish() {
    for (Text& text : texts_) {
      text.unseen += text.decoder.finish() + "\n";
      show(text);
    }
  }

 private:
  struct Text {
    std::string unseen;  // with the prompt before it
    data::StreamDecoder decoder;
  };

  static void show(Text& text) {
    put(text.unseen);
    text.unseen.clear();
  }

  std::vector<Text> texts_;
};

// A text continues right after its prompt, with any space between words.
void print_json(const data::Tokenizer& tokenizer,
                const std::vector<std::string>& prompts,
                const std::vector<train::Tokens>& prompt_tokens,
                const std::vector<train::Tokens>& texts,
                double seconds) {
  auto list = nlohmann::json::array();
  std::size_t tokens = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    tokens += texts[i].size();
    list.push_back(
        {{"prompt", prompts[i]},
         {"text", data::decode_after(tokenizer, prompt_tokens[i], texts[i])},
         {"tokens", texts[i]}});
  }
  const nlohmann::json result = {
      {"texts", list},
      {"tokens_per_second", static_cast<double>(tokens) / seconds}};
  put_json(result);
}

std::vector<train::Tokens> encode(const data::Tokenizer& tokenizer,
                                  const std::vector<std::string>& prompts) {
  std::vector<train::Tokens> tokens;
  for (const std::string& prompt : prompts) {
    train::Tokens& ids = tokens.emplace_back();
    if (const auto begin = tokenizer.beginning_of_document()) {
      ids.push_back(*begin);
    } else if (const auto end = tokenizer.end_of_document();
               prompt.empty() && end) {
      ids.push_back(*end);  // a document follows the end of another
    }
    tokenizer.encode(prompt, ids);
  }
  return tokens;
}

// The tokens that the model's own files name, if its own tokenizer reads them.
std::vector<std::int32_t> ends_of(const Options& options,
                                  const Path& folder,
                                  const data::Tokenizer& tokenizer) {
  std::vector<std::int32_t> ends;
  if (options.tokenizer.empty()) {
    ends = checkpoint::end_ids_in(folder);
  }
  if (const auto end = tokenizer.end_of_document(); ends.empty() && end) {
    ends.push_back(*end);
  }
  return ends;
}

// A model may have more ids than the tokenizer has tokens.
std::vector<bool> drawable(const data::Tokenizer& tokenizer,
                           std::int64_t model_ids) {
  std::vector<bool> tokens;
  for (std::int64_t id = 0; id < model_ids; ++id) {
    tokens.push_back(tokenizer.has_token(static_cast<std::int32_t>(id)));
  }
  return tokens;
}

// The ranks of a stage share every matrix, or, as in ZeRO 3, each have a part
// of all weights.
mesh::Mesh mesh_of(const Options& options,
                   const model::ModelConfig& config,
                   int ranks) {
  if (ranks % options.pipeline != 0) {
    throw UsageError(
        "{} ranks do not make --pipeline {} stages of as many ranks each: "
        "wanted a multiple of it for --ranks, such as {}",
        ranks,
        options.pipeline,
        (ranks / options.pipeline + 1) * options.pipeline);
  }
  const int each = ranks / options.pipeline;
  if (options.zero == 3) {
    return mesh::Mesh({.pipe = options.pipeline, .data = each});
  }
  model::validate_tensor(
      config, each, options.pipeline > 1 ? "--ranks / --pipeline" : "--ranks");
  return mesh::Mesh({.pipe = options.pipeline, .tensor = each});
}

// All ranks get the same tokens.
void generate(const Options& options, comm::Communicator& world) {
  comm::HostRanks ranks(world);
  const std::vector<std::string> prompts = prompts_of(options, ranks);
  const Path folder = train::find_weights(ranks, options.checkpoint, Log());
  const auto source = checkpoint::open_found_weights(folder);
  const auto tokenizer = data::load_tokenizer(options.tokenizer.empty()
                                                  ? train::tokenizer_of(folder)
                                                  : options.tokenizer);
  const auto tokens = encode(*tokenizer, prompts);
  train::GenerateOptions settings = options.generate;
  settings.sampling.seed = static_cast<std::uint64_t>(options.seed);
  settings.cache =
      options.no_cache ? train::KvCache::kOff : train::KvCache::kOn;
  settings.ends = ends_of(options, folder, *tokenizer);
  settings.drawable = drawable(*tokenizer, source->config().vocabulary);
  train::RankOptions rank_options;
  rank_options.device = device_of(options.compute);
  rank_options.world = &world;
  rank_options.mesh = mesh_of(options, source->config(), world.size());
  train::Rank rank(rank_options);
  train::RankModel rank_model(rank,
                              source->config(),
                              0,
                              nn::Phase::kEvaluate,
                              {.stage = options.zero},
                              types_of(options.compute, *source));
  train::load_weights(rank, rank_model, *source);
  train::Generator generator(rank, rank_model, settings);
  if (options.json) {
    const double start = monotonic_seconds();
    const auto texts = generator.run(tokens, [](std::size_t, std::int32_t) {});
    if (rank.is_first()) {
      print_json(
          *tokenizer, prompts, tokens, texts, monotonic_seconds() - start);
    }
    return;
  }
  if (!rank.is_first()) {
    generator.run(tokens, [](std::size_t, std::int32_t) {});
    return;
  }
  Printer printer(*tokenizer, prompts, tokens);
  generator.run(tokens, [&](std::size_t prompt, std::int32_t token) {
    printer.add(prompt, token);
  });
  printer.finish();
}

void add_sampling(CLI::App& command, Options& options) {
  train::SamplingOptions& sampling = options.generate.sampling;
  command
      .add_option("--temperature",
                  sampling.temperature,
                  "0 takes the most likely token, always")
      ->capture_default_str();
  command
      .add_option("--top-k",
                  sampling.top_k,
                  "Draw from the k most likely tokens; 0: all")
      ->capture_default_str();
  command
      .add_option("--top-p",
                  sampling.top_p,
                  "Draw from the fewest tokens that hold this probability")
      ->capture_default_str();
  command.add_option("--seed", options.seed, "Of the draws")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

}  // namespace

void add_generate(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("generate", "Continues prompts with a model");
  command
      ->add_option("--checkpoint",
                   options->checkpoint,
                   "A checkpoint, a run's directory of them (the newest is "
                   "taken), or a Hugging Face model")
      ->required();
  command->add_option("--tokenizer",
                      options->tokenizer,
                      "As data.tokenizer [the one the model was trained with]");
  command->add_option("--prompt",
                      options->prompts,
                      "A text to go on from; "
                      "several are a batch");
  command->add_option(
      "--prompt-file",
      options->prompt_file,
      "More prompts, one a line; read as --input of preprocess");
  command
      ->add_option("--tokens",
                   options->generate.tokens,
                   "New tokens for each prompt, at most")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_sampling(*command, *options);
  command->add_flag("--no-cache",
                    options->no_cache,
                    "Read everything again for each token: slow, to compare");
  add_compute_options(*command, options->compute);
  add_rank_options(*command, options->ranks);
  command
      ->add_option("--zero",
                   options->zero,
                   "3: each rank holds a part of all weights, and gathers a "
                   "layer's when it needs them")
      ->check(CLI::IsMember({0, 3}))
      ->capture_default_str();
  command
      ->add_option("--pipeline",
                   options->pipeline,
                   "Stages that the layers are cut into, each of as many of "
                   "the ranks; several prompts keep them all busy")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_flag("--json", options->json, "Print an object at the end");
  command->footer(
      "A prompt is read after the token that the tokenizer's files put before "
      "a "
      "text,\nwhere they say so. An empty prompt, or line, begins a document: "
      "after that token,\nor else after the one that ends a document. Only ids "
      "that the tokenizer has a\ntoken for are drawn. In --json's texts, text "
      "goes on right behind prompt.\n\n"
      "Example:\n"
      "  dure generate --checkpoint out/run/checkpoints --prompt 'In the "
      "beginning' --top-p 0.9\n"
      "Several ranks share every matrix of the model, and so its memory:\n"
      "  dure generate --checkpoint out/run/checkpoints --ranks 2 --prompt "
      "'In the beginning'\n"
      "or have a stage of its layers each:\n"
      "  dure generate --checkpoint out/run/checkpoints --ranks 2 --pipeline 2 "
      "--prompt 'In the beginning'");
  command->callback([options] {
    options->generate.sampling.check();
    on_ranks(options->ranks,
             [&](comm::Communicator& world) { generate(*options, world); });
  });
}

}  // namespace dure::cli
