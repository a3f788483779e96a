#include "dure/data/tokenizer/tokenizer.h"

#include "dure/base/check.h"
#include "dure/data/tokenizer/bytes_tokenizer.h"
#include "dure/data/tokenizer/huggingface.h"
#include "dure/data/tokenizer/sentencepiece_tokenizer.h"

namespace dure::data {
namespace {

std::unique_ptr<Tokenizer> byte_level(const ByteLevelParts& parts) {
  return std::make_unique<ByteLevelTokenizer>(parts);
}

std::unique_ptr<Tokenizer> load_file(const Path& path) {
  if (path.extension() == ".model") {
    return load_sentencepiece(path);
  }
  DURE_CHECK(path.extension() == ".json",
             "the tokenizer ",
             path.string(),
             " must be a .json or a .model file");
  const Path merges = path.parent_path() / "merges.txt";
  if (path.filename() == "vocab.json") {
    return byte_level(read_vocab_and_merges(path, merges));
  }
  return byte_level(read_tokenizer_json(path));
}

std::unique_ptr<Tokenizer> load_directory(const Path& path) {
  for (const char* name : {"tokenizer.json", "vocab.json", "tokenizer.model"}) {
    if (std::filesystem::exists(path / name)) {
      return load_file(path / name);
    }
  }
  DURE_CHECK(false,
             "the directory ",
             path.string(),
             " holds no tokenizer.json, vocab.json or tokenizer.model");
  return nullptr;
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer(const std::string& spec) {
  if (spec == "bytes") {
    return std::make_unique<BytesTokenizer>();
  }
  DURE_CHECK(std::filesystem::exists(spec),
             "there is no tokenizer \"",
             spec,
             "\": it must be bytes, a directory, a .json or a .model file");
  return std::filesystem::is_directory(spec) ? load_directory(spec)
                                             : load_file(spec);
}

}  // namespace dure::data
