#include "dure/data/tokenizer/tokenizer.h"

#include <algorithm>
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

// The length of the character that begins with this byte; 0 if none of several
// bytes does.
std::size_t bytes_of_character(unsigned char first) {
  return first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

// Removes a last character that more bytes may complete.
std::size_t without_begun_character(std::string_view text) {
  const std::size_t most = std::min<std::size_t>(text.size(), 3);
  for (std::size_t n = 1; n <= most; ++n) {
    const auto byte = static_cast<unsigned char>(text[text.size() - n]);
    if (byte < 0x80 || byte >= 0xc0) {
      return text.size() - (bytes_of_character(byte) > n ? n : 0);
    }
  }
  return text.size();
}

std::unique_ptr<Tokenizer> pipeline(TokenizerParts parts,
                                    const TokenNotes& notes) {
  apply(notes, parts);
  return std::make_unique<PipelineTokenizer>(parts);
}

std::unique_ptr<Tokenizer> parse(const Files& files) {
  const TokenNotes notes = read_token_notes(files);
  const TokenizerFile& first = files[0];
  if (first.name == "tokenizer.model") {
    return parse_sentencepiece(first.text, notes);
  }
  if (first.name == "vocab.json") {
    return pipeline(parse_vocab_and_merges(first.text, files[1].text), notes);
  }
  return pipeline(parse_tokenizer_json(first.text), notes);
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
    throw Error(
        "can't read the tokenizer {}: {}", files[0].path.string(), e.what());
  }
}

}  // namespace

// SentencePiece gives a U+FFFD for each byte of an incomplete character, at
// most three of them, for bytes that become one character with the next.
std::size_t Tokenizer::certain_bytes(std::span<const std::int32_t> /*ids*/,
                                     std::string_view text) const {
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  text = text.substr(0, without_begun_character(text));
  for (int i = 0; i < 3 && text.ends_with(kReplacement); ++i) {
    text.remove_suffix(kReplacement.size());
  }
  return text.size();
}

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
    throw UsageError(
        "the tokenizer {} has {} ids and the model {}: wanted "
        "model.vocabulary = {} or more, or another data.tokenizer",
        quoted(spec),
        ids,
        model_ids,
        ids);
  }
  return texts_by_name(std::move(files));
}

}  // namespace dure::data
