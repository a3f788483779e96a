// Writes the lines of a text as an indexed data set of bytes, opens it as a
// training data set and prints one sample: byte_data PREFIX TEXT
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/files.h"
#include "dure/data/gpt_dataset.h"
#include "dure/data/indexed_dataset.h"
#include "dure/data/indexed_writer.h"

namespace {

// A document a line, a token a byte.
void write_bytes(const std::string& prefix, const std::string& text) {
  dure::data::IndexedDatasetWriter writer(prefix, dure::data::TokenType::kU8);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    line += '\n';
    const std::vector<std::int32_t> tokens(line.begin(), line.end());
    writer.add_sequence(tokens);
    writer.end_document();
  }
  writer.commit();
}

std::string first_sample(const std::string& prefix) {
  auto data = std::make_shared<const dure::data::IndexedDataset>(prefix);
  const dure::data::GptDataset samples(
      data, {.range = {0, data->sequences()}, .sequence = 64, .seed = 1});
  std::vector<std::int32_t> tokens(samples.sample_tokens());
  samples.sample(0, tokens);
  std::cout << data->documents() << " documents, " << data->tokens()
            << " tokens, " << samples.size() << " samples\n";
  return {tokens.begin(), tokens.end()};
}

}  // namespace

int main(int argc, char** argv) {
  try {
    DURE_CHECK(argc == 3, "usage: byte_data PREFIX TEXT");
    write_bytes(argv[1], dure::read_file(argv[2]));
    std::cout << "sample 0: " << first_sample(argv[1]) << '\n';
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
