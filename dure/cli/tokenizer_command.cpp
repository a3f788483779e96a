// dure tokenizer train | encode | decode.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/base/progress.h"
#include "dure/base/quote.h"
#include "dure/cli/commands.h"
#include "dure/cli/output.h"
#include "dure/data/preprocess/document_reader.h"
#include "dure/data/preprocess/text_source.h"
#include "dure/data/tokenizer/bpe_trainer.h"
#include "dure/data/tokenizer/huggingface.h"
#include "dure/data/tokenizer/token_notes.h"
#include "dure/data/tokenizer/tokenizer.h"
#include "dure/data/tokenizer/tokenizer_files.h"

namespace dure::cli {
namespace {

// --- train ---

struct TrainOptions {
  data::DocumentOptions input;
  std::string format = "auto";
  std::string output;
  std::string pattern = "gpt2";
  data::BpeTrainingOptions bpe;
  int workers =
      std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  bool json = false;
};

data::WordCounts count(const TrainOptions& options) {
  data::DocumentReader reader(options.input);
  Progress progress("count words", reader.total_bytes());
  const auto speed = [&](std::uint64_t bytes) {
    return fmt::format("{:.1f} MB/s",
                       static_cast<double>(bytes) / 1e6 / progress.seconds());
  };
  std::uint64_t bytes = 0;
  auto words = data::count_words(
      [&](std::string_view& text) { return reader.next(text); },
      {.patterns = options.bpe.patterns,
       .workers = options.workers,
       .progress = [&](std::uint64_t done) {
         bytes = done;
         progress.update(std::min(reader.input_bytes(), reader.total_bytes()),
                         speed(done));
       }});
  DURE_CHECK(!words.empty(), "the input holds no text to learn from");
  progress.finish(fmt::format("{} different words, {}",
                              with_prefix(static_cast<double>(words.size())),
                              speed(bytes)));
  return words;
}

data::TokenizerParts learn(const TrainOptions& options,
                           const data::WordCounts& words) {
  Progress progress("learn merges",
                    static_cast<std::uint64_t>(options.bpe.vocabulary));
  data::BpeTrainingOptions bpe = options.bpe;
  bpe.progress = [&](std::int64_t tokens) {
    progress.update(static_cast<std::uint64_t>(tokens),
                    fmt::format("{} tokens", tokens));
  };
  data::TokenizerParts parts = data::train_bpe(words, bpe);
  progress.finish(fmt::format("{} tokens", parts.tokens().size()));
  return parts;
}

void print(const TrainOptions& options,
           const data::TokenizerParts& parts,
           std::size_t words) {
  const std::size_t merges =
      std::get<data::BpeModel>(parts.model).merges.size();
  if (options.json) {
    const nlohmann::ordered_json facts = {{"output", options.output},
                                          {"vocabulary", parts.tokens().size()},
                                          {"merges", merges},
                                          {"different_words", words}};
    put_json(facts);
    return;
  }
  const auto learnt = static_cast<std::int64_t>(parts.tokens().size());
  fmt::print("{}: {} tokens, {} merges\n", options.output, learnt, merges);
  if (learnt < options.bpe.vocabulary) {
    fmt::print("fewer than the {} asked for: no pair left is found {} times\n",
               options.bpe.vocabulary,
               options.bpe.min_frequency);
  }
}

// Checks the options before the work. The first special token will end a
// document. A tokenizer.json has no place for that, so readers know it by its
// name, or by the files beside it.
void check(const TrainOptions& options) {
  const data::TokenizerParts wanted = data::train_bpe({}, options.bpe);
  data::TokenizerParts read =
      data::parse_tokenizer_json(data::tokenizer_json_text(wanted));
  const Path folder = Path(options.output).parent_path();
  data::apply(data::read_token_notes(data::read_files_beside(folder)), read);
  if (read.end_of_document != wanted.end_of_document) {
    const std::string token = quoted(options.bpe.special_tokens[0]);
    throw UsageError(
        "the first special token, {}, is to end a document, and "
        "nobody will know: write {{\"eos_token\": {}}} into {} "
        "first, or begin with <|endoftext|>",
        token,
        token,
        (folder / "tokenizer_config.json").string());
  }
}

void train(TrainOptions options) {
  options.bpe.patterns = {std::string(
      options.pattern == "gpt2" ? data::kGpt2Pattern : data::kLlama3Pattern)};
  options.input.format = options.format == "auto" ? data::TextFormat::kAuto
                         : options.format == "jsonl"
                             ? data::TextFormat::kJsonLines
                             : data::TextFormat::kText;
  check(options);
  refuse_own_input("--output",
                   options.output,
                   {options.input.files.begin(), options.input.files.end()});
  AtomicFile file(options.output);
  const data::WordCounts words = count(options);
  const data::TokenizerParts parts = learn(options, words);
  file.write(data::tokenizer_json_text(parts));
  file.commit();
  print(options, parts, words.size());
}

void add_training(CLI::App& parent) {
  auto options = std::make_shared<TrainOptions>();
  CLI::App* command = parent.add_subcommand(
      "train", "Learns a byte-level BPE tokenizer from text");
  command
      ->add_option("--input",
                   options->input.files,
                   "Text or JSON Lines to learn from, compressed or not")
      ->required();
  command
      ->add_option("--output", options->output, "The tokenizer.json to write")
      ->required();
  command->add_option("--vocabulary",
                      options->bpe.vocabulary,
                      "Tokens, special ones and the 256 bytes included");
  command
      ->add_option("--min-frequency",
                   options->bpe.min_frequency,
                   "How often a pair must be found to become a token")
      ->check(CLI::PositiveNumber);
  command->add_option("--special",
                      options->bpe.special_tokens,
                      "Special tokens; the first one ends a document");
  command
      ->add_option("--pattern", options->pattern, "How text is cut into words")
      ->check(CLI::IsMember({"gpt2", "llama3"}));
  command
      ->add_option("--format",
                   options->format,
                   "jsonl, text, or auto: by name, then by first character")
      ->check(CLI::IsMember({"auto", "jsonl", "text"}));
  command->add_option(
      "--text-key", options->input.text_key, "JSON Lines: the text's key");
  command->add_option("--workers", options->workers, "Threads that count words")
      ->check(CLI::Range(1, 4096));
  command->add_flag("--json", options->json, "Print the result as JSON");
  command->footer(
      "Example:\n"
      "  dure tokenizer train --input book.txt --vocabulary 8192 "
      "--output tokenizer.json");
  command->callback([options] { train(*options); });
}

// --- encode and decode ---

struct CodeOptions {
  std::string tokenizer;
  std::optional<std::string> text;
  std::string file;
  bool json = false;
};

std::string input_of(const CodeOptions& options) {
  if (options.text) {
    return *options.text;
  }
  if (!options.file.empty()) {
    return data::whole_text(*data::open_text(options.file));
  }
  return data::whole_text(
      *data::as_text(data::standard_input(), "standard input"));
}

void encode(const CodeOptions& options) {
  const auto tokenizer = data::load_tokenizer(options.tokenizer);
  const std::string text = input_of(options);
  const std::vector<std::int32_t> ids = tokenizer->encode(text);
  if (!options.json) {
    put(fmt::format("{}\n", fmt::join(ids, " ")));
    return;
  }
  std::vector<std::string> tokens;
  for (const std::int32_t id : ids) {
    tokens.push_back(tokenizer->token_text(id));
  }
  put_json({{"kind", tokenizer->kind()},
            {"vocabulary", tokenizer->vocabulary()},
            {"bytes", text.size()},
            {"ids", ids},
            {"tokens", tokens}});
}

// Parses ids between spaces, commas or brackets: the output of encode, or a
// JSON array.
std::vector<std::int32_t> parse_ids(std::string text) {
  std::replace_if(
      text.begin(),
      text.end(),
      [](char c) { return c == ',' || c == '[' || c == ']'; },
      ' ');
  std::istringstream in(text);
  std::vector<std::int32_t> ids;
  for (std::string word; in >> word;) {
    std::int32_t id = 0;
    std::istringstream number(word);
    if (!(number >> id) || !number.eof()) {
      throw UsageError("wanted token ids, got {}", quoted(word));
    }
    ids.push_back(id);
  }
  return ids;
}

void decode(const CodeOptions& options) {
  const auto tokenizer = data::load_tokenizer(options.tokenizer);
  const std::vector<std::int32_t> ids = parse_ids(input_of(options));
  const std::string text = tokenizer->decode(ids);
  if (options.json) {
    put_json({{"ids", ids}, {"bytes", text.size()}, {"text", text}});
  } else {
    put(text);
  }
}

CLI::App* add_code(CLI::App& parent,
                   const char* name,
                   const char* what,
                   void (*run)(const CodeOptions&)) {
  auto options = std::make_shared<CodeOptions>();
  CLI::App* command = parent.add_subcommand(name, what);
  command
      ->add_option("--tokenizer",
                   options->tokenizer,
                   "bytes, a directory, or a tokenizer's file")
      ->required();
  CLI::Option* text = command->add_option(
      "--text", options->text, "The input; without it, --file or stdin");
  command
      ->add_option(
          "--file", options->file, "A file with the input, compressed or not")
      ->excludes(text);
  command->add_flag("--json", options->json, "Print the result as JSON");
  command->callback([options, run] { run(*options); });
  return command;
}

}  // namespace

void add_tokenizer(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "tokenizer", "Learns a tokenizer, or turns text to ids and back");
  command->require_subcommand(1);
  command->footer(
      "Example:\n  dure tokenizer encode --tokenizer bytes --text "
      "hello");
  add_training(*command);
  add_code(*command, "encode", "Prints the ids of a text", &encode)
      ->footer(
          "Examples:\n"
          "  dure tokenizer encode --tokenizer tokenizer.json --text 'Hello'\n"
          "  dure tokenizer encode --tokenizer gpt2/ --json < book.txt");
  add_code(*command, "decode", "Prints the text of ids", &decode)
      ->footer(
          "Example:\n"
          "  dure tokenizer decode --tokenizer tokenizer.json --text '15 5 9'");
}

}  // namespace dure::cli
