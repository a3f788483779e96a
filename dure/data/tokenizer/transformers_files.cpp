#include "dure/data/tokenizer/transformers_files.h"

#include <memory>
#include <nlohmann/json.hpp>

#include "dure/base/check.h"
#include "dure/data/tokenizer/tokenizer.h"
#include "dure/data/tokenizer/tokenizer_files.h"

namespace dure::data {
namespace {

constexpr const char* kConfig = "tokenizer_config.json";

// Null if the folder has no tokenizer that can be used here; its files are
// copied all the same.
std::unique_ptr<Tokenizer> load_or_null(const Path& folder) {
  try {
    return holds_tokenizer(folder) ? load_tokenizer(folder.string()) : nullptr;
  } catch (const Error&) {
    return nullptr;
  }
}

std::string config_text(const Tokenizer& tokenizer, std::int64_t positions) {
  nlohmann::json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                           {"model_max_length", positions},
                           {"clean_up_tokenization_spaces", false}};
  if (const auto beginning = tokenizer.beginning_of_document()) {
    config["bos_token"] = tokenizer.token_text(*beginning);
  }
  if (const auto end = tokenizer.end_of_document()) {
    config["eos_token"] = tokenizer.token_text(*end);
  }
  return config.dump(2) + "\n";
}

}  // namespace

TransformersTokenizer transformers_tokenizer(const Path& folder,
                                             std::int64_t positions) {
  TransformersTokenizer result = {.files = tokenizer_files_in(folder)};
  const auto tokenizer = load_or_null(folder);
  if (tokenizer == nullptr) {
    return result;
  }
  result.beginning = tokenizer->beginning_of_document();
  result.end = tokenizer->end_of_document();
  if (result.files.contains("tokenizer.json")) {
    result.files.try_emplace(kConfig, config_text(*tokenizer, positions));
  }
  return result;
}

}  // namespace dure::data
