#include "dure/data/tokenizer/tokenizer.h"

#include <utility>

#include "dure/base/check.h"
#include "dure/base/quote.h"
#include "dure/data/tokenizer/bytes_tokenizer.h"
#include "dure/data/tokenizer/huggingface.h"
#include "dure/data/tokenizer/sentencepiece_tokenizer.h"
#include "dure/data/tokenizer/tokenizer_files.h"

namespace dure::data {
namespace {

using Files = std::vector<TokenizerFile>;

std::unique_ptr<Tokenizer> byte_level(ByteLevelParts parts,
                                      const TokenNotes& notes) {
  apply(notes, parts);
  return std::make_unique<ByteLevelTokenizer>(parts);
}

std::unique_ptr<Tokenizer> parse(const Files& files) {
  const TokenNotes notes = read_token_notes(files);
  const TokenizerFile& first = files[0];
  if (first.name == "tokenizer.model") {
    return parse_sentencepiece(first.text, notes);
  }
  if (first.name == "vocab.json") {
    return byte_level(parse_vocab_and_merges(first.text, files[1].text), notes);
  }
  return byte_level(parse_tokenizer_json(first.text), notes);
}

std::unique_ptr<Tokenizer> make_tokenizer(const Files& files) {
  if (files.empty()) {
    return std::make_unique<BytesTokenizer>();
  }
  try {
    return parse(files);
  } catch (const UsageError&) {
    throw;
  } catch (const Error& e) {
    throw Error(concat(
        "can't read the tokenizer ", files[0].path.string(), ": ", e.what()));
  }
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer(const std::string& spec) {
  return make_tokenizer(read_tokenizer_files(spec));
}

std::map<std::string, std::string> tokenizer_documents(const std::string& spec,
                                                       std::int64_t model_ids) {
  if (spec.empty()) {
    return {};
  }
  Files files = read_tokenizer_files(spec);
  const std::int64_t ids = make_tokenizer(files)->vocabulary();
  if (ids > model_ids) {
    throw UsageError(concat("the tokenizer ",
                            quoted(spec),
                            " has ",
                            ids,
                            " ids and the model ",
                            model_ids,
                            ": wanted model.vocabulary = ",
                            ids,
                            " or more, or another data.tokenizer"));
  }
  return texts_by_name(std::move(files));
}

}  // namespace dure::data
