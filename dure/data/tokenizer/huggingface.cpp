#include "dure/data/tokenizer/huggingface.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "dure/base/check.h"
#include "dure/base/quote.h"
#include "dure/data/tokenizer/huggingface_decoder.h"
#include "dure/data/tokenizer/huggingface_model.h"
#include "dure/data/tokenizer/huggingface_normalizer.h"
#include "dure/data/tokenizer/huggingface_pieces.h"
#include "dure/data/tokenizer/huggingface_tokens.h"

namespace dure::data {
namespace {

TokenizerParts parts_of(const Json& file) {
  DURE_CHECK(file.is_object(),
             "a tokenizer.json is an object, this is {}",
             file.type_name());
  TokenizerParts parts;
  parts.normalizer = read_normalizer(part(file, "normalizer"));
  ReadPieces pieces = read_pre_tokenizer(part(file, "pre_tokenizer"));
  parts.pieces = std::move(pieces.steps);
  parts.model = read_model(part(file, "model"), pieces.symbols);
  if (parts.is_byte_level()) {
    expect_byte_level_decoder(part(file, "decoder"));
  } else {
    parts.decoder = read_decoder(part(file, "decoder"));
  }
  add_tokens(read_added_tokens(part(file, "added_tokens")), parts);
  read_post_processor(part(file, "post_processor"), parts);
  guess_end_of_document(parts);
  return parts;
}

bool adds_prefix_space(const TokenizerParts& parts) {
  return std::any_of(
      parts.pieces.begin(), parts.pieces.end(), [](const PieceStep& step) {
        return std::holds_alternative<AddPrefix>(step);
      });
}

// If add_bos_token is given, it decides.
void read_beginning(const TokenNotes& notes, TokenizerParts& parts) {
  if (!notes.adds_beginning.has_value()) {
    return;
  }
  parts.beginning_of_document.reset();
  if (*notes.adds_beginning) {
    const NamedToken* beginning = notes.find("bos_token");
    DURE_CHECK(beginning != nullptr,
               "tokenizer_config.json has add_bos_token, but no file names a "
               "bos_token");
    parts.beginning_of_document = id_of(parts, beginning->token.text);
  }
}

}  // namespace

TokenizerParts parse_tokenizer_json(std::string_view text) {
  return with_json_errors("tokenizer.json", text, parts_of);
}

TokenizerParts parse_vocab_and_merges(std::string_view vocab,
                                      std::string_view merges) {
  constexpr std::string_view kEnd = "<|endoftext|>";
  const TokenIds ids = with_json_errors("vocab.json", vocab, vocabulary_of);
  TokenizerParts parts;
  const MergeTexts pairs = parse_merges_text(merges);
  DURE_CHECK(!pairs.empty(),
             "merges.txt holds no merges, and so no token of several bytes "
             "would ever be made: is it the whole file?");
  parts.model = make_bpe_model(ids, pairs);
  parts.pieces = {CutText{.pattern = std::string(kGpt2Pattern)}};
  const auto found = ids.find(std::string(kEnd));
  if (found != ids.end()) {
    parts.added.push_back(
        {.id = found->second, .text = std::string(kEnd), .special = true});
    parts.end_of_document = found->second;
  }
  return parts;
}

void apply(const TokenNotes& notes, TokenizerParts& parts) {
  const bool adds = adds_prefix_space(parts);
  DURE_CHECK(
      !parts.is_byte_level() || notes.adds_prefix_space.value_or(adds) == adds,
      "tokenizer_config.json: add_prefix_space is {}, and the vocabulary's own "
      "file says otherwise; make them agree",
      adds ? "false" : "true");
  add_tokens(notes.added, parts);
  for (const NamedToken& named : notes.named) {
    add_named_token(named, parts);
  }
  if (const NamedToken* end = notes.find("eos_token")) {
    parts.end_of_document = id_of(parts, end->token.text);
  }
  read_beginning(notes, parts);
}

}  // namespace dure::data
