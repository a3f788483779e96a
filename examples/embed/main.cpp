// Trains a small GPT on the bytes of any text, by Dure's library: byte_gpt
// [TEXT [FOLDER [STEPS]]].
//
// The text becomes an indexed data set in FOLDER, with a line for a document
// and a byte for a token. The program prints a sample of it, and the loss of
// each step.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/data/gpt_dataset.h"
#include "dure/data/indexed_dataset.h"
#include "dure/data/indexed_writer.h"
#include "dure/train/options.h"
#include "dure/train/trainer.h"

namespace {

constexpr std::int64_t kMostSequence = 64;

void write_bytes(const std::string& prefix, const std::string& text) {
  dure::data::IndexedDatasetWriter writer(prefix, dure::data::TokenType::kU8);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    line += '\n';
    std::vector<std::int32_t> tokens;
    for (const char byte : line) {
      tokens.push_back(static_cast<unsigned char>(byte));
    }
    writer.add_sequence(tokens);
    writer.end_document();
  }
  writer.commit();
}

dure::train::Config small_gpt(std::int64_t sequence, std::int64_t steps) {
  dure::train::Config config;
  config.model = {.layers = 2,
                  .hidden = 64,
                  .heads = 4,
                  .vocabulary = 256,
                  .max_sequence = sequence};
  config.data.sequence = sequence;
  config.train.steps = steps;
  config.train.global_batch = 8;
  config.train.micro_batch = 8;
  config.optimizer.learning_rate = 3e-3;
  return dure::train::resolve(config);
}

void print_sample(const dure::data::GptDataset& samples) {
  std::vector<std::int32_t> tokens(
      static_cast<std::size_t>(samples.sample_tokens()));
  samples.sample(0, tokens);
  const std::string text(tokens.begin(), tokens.end());
  std::cout << "sample 0: " << text << '\n';
}

void train(const dure::data::GptDataset& samples,
           const dure::train::Config& config) {
  dure::train::Rank rank(dure::train::rank_options(config));
  dure::train::Trainer trainer(rank, config);
  for (std::int64_t step = 0; step < config.train.steps; ++step) {
    const dure::train::StepResult result = trainer.step(samples);
    std::printf("step %lld  loss %.4f\n",
                static_cast<long long>(result.step),
                result.loss);
  }
}

void run(const std::string& text_file,
         const std::string& folder,
         std::int64_t steps) {
  dure::make_directories(folder);
  const std::string prefix = folder + "/bytes";
  write_bytes(prefix, dure::read_file(text_file));
  auto data = std::make_shared<const dure::data::IndexedDataset>(prefix);
  DURE_CHECK(data->tokens() >= 2,
             "wanted a text of two bytes or more, got {} in {}",
             data->tokens(),
             text_file);
  const dure::train::Config config =
      small_gpt(std::min(kMostSequence, data->tokens() - 1), steps);
  const dure::data::GptDataset samples(
      data,
      {.range = {0, data->sequences()},
       .sequence = config.data.sequence,
       .samples = steps * config.train.global_batch,
       .seed = 1});
  std::cout << data->documents() << " documents, " << data->tokens()
            << " tokens\n";
  print_sample(samples);
  std::cout.flush();
  train(samples, config);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> words(argv + 1, argv + argc);
    const std::int64_t steps = words.size() > 2 ? std::atoll(argv[3]) : 10;
    DURE_CHECK(words.size() <= 3 && steps > 0,
               "usage: byte_gpt [TEXT [FOLDER [STEPS]]]");
    run(words.empty() ? "README.md" : words[0],
        words.size() < 2 ? "out/byte_gpt" : words[1],
        steps);
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
