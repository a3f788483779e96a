#include "dure/data/tokenizer/tokenizer_files.h"

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/quote.h"

namespace dure::data {
namespace {

// The first file of each alternative, by which a folder is recognized.
constexpr std::array kVocabularies = {
    "tokenizer.json", "vocab.json", "tokenizer.model"};
constexpr const char* kMerges = "merges.txt";
constexpr std::array kNeighbours = {
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"};
// Files on how to talk to a model: the tokenizer does not read them.
constexpr std::array kCompanions = {
    "chat_template.jinja", "chat_template.json", "generation_config.json"};

// A dangling link counts as present, so that reading it reports what is wrong.
bool is_there(const Path& path) {
  std::error_code ignored;
  return std::filesystem::symlink_status(path, ignored).type() !=
         std::filesystem::file_type::not_found;
}

TokenizerFile read(std::string name, const Path& path) {
  return {std::move(name), path, read_file(path)};
}

void add_if_there(const Path& folder,
                  const char* name,
                  std::vector<TokenizerFile>& files) {
  if (is_there(folder / name)) {
    files.push_back(read(name, folder / name));
  }
}

std::vector<TokenizerFile> read_with_neighbours(const Path& path) {
  const Path folder = path.parent_path();
  const bool pair = path.filename() == "vocab.json";
  std::vector<TokenizerFile> files;
  files.push_back(read(
      pair ? "vocab.json" : "tokenizer" + path.extension().string(), path));
  if (pair) {
    files.push_back(read(kMerges, folder / kMerges));
  }
  for (TokenizerFile& file : read_files_beside(folder)) {
    files.push_back(std::move(file));
  }
  return files;
}

Path vocabulary_in(const Path& folder) {
  const auto found = std::find_if(
      kVocabularies.begin(), kVocabularies.end(), [&](const char* name) {
        return is_there(folder / name);
      });
  DURE_CHECK(
      found != kVocabularies.end(),
      "the directory {} holds no tokenizer.json, vocab.json or tokenizer.model",
      quoted(folder.string()));
  return folder / *found;
}

Path vocabulary_path(const std::string& spec) {
  const Path path = spec;
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return vocabulary_in(path);
  }
  DURE_CHECK(is_there(path),
             "there is no tokenizer {}: it must be bytes, a directory, a .json "
             "or a .model file",
             quoted(spec));
  DURE_CHECK(path.extension() == ".json" || path.extension() == ".model",
             "the tokenizer {} must be a .json or a .model file",
             quoted(spec));
  return path;
}

}  // namespace

std::vector<TokenizerFile> read_tokenizer_files(const std::string& spec) {
  return spec == kBytesTokenizer ? std::vector<TokenizerFile>()
                                 : read_with_neighbours(vocabulary_path(spec));
}

std::vector<TokenizerFile> read_files_beside(const Path& folder) {
  std::vector<TokenizerFile> files;
  for (const char* name : kNeighbours) {
    add_if_there(folder, name, files);
  }
  return files;
}

bool holds_tokenizer(const Path& folder) {
  return std::any_of(kVocabularies.begin(),
                     kVocabularies.end(),
                     [&](const char* name) { return is_there(folder / name); });
}

std::map<std::string, std::string> tokenizer_files_in(const Path& folder) {
  std::vector<TokenizerFile> files = read_files_beside(folder);
  for (const char* name : kVocabularies) {
    add_if_there(folder, name, files);
  }
  add_if_there(folder, kMerges, files);
  for (const char* name : kCompanions) {
    add_if_there(folder, name, files);
  }
  return texts_by_name(std::move(files));
}

std::map<std::string, std::string> texts_by_name(
    std::vector<TokenizerFile> files) {
  std::map<std::string, std::string> texts;
  for (TokenizerFile& file : files) {
    texts.emplace(std::move(file.name), std::move(file.text));
  }
  return texts;
}

}  // namespace dure::data
