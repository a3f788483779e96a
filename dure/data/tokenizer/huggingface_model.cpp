#include "dure/data/tokenizer/huggingface_model.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fmt/core.h>
#include <optional>

#include "dure/base/check.h"
#include "dure/base/quote.h"
#include "dure/data/tokenizer/byte_level.h"

namespace dure::data {
namespace {

// Puts the tokens at their ids, each as `read` returns it.
template <typename Read>
void place_tokens(const TokenIds& vocabulary,
                  BpeModel& model,
                  const Read& read) {
  // Some vocabularies leave holes, but one with this many is a broken file.
  const auto limit = static_cast<std::int64_t>(vocabulary.size()) * 4 + 65536;
  std::vector<bool> taken;
  for (const auto& [text, id] : vocabulary) {
    DURE_CHECK(!text.empty(), "the vocabulary holds an empty token");
    DURE_CHECK(id >= 0 && id < limit,
               "the token {} has id {}, which is not in 0 .. {} for a "
               "vocabulary of {}",
               quoted(text),
               id,
               limit - 1,
               vocabulary.size());
    const auto at = static_cast<std::size_t>(id);
    if (at >= model.tokens.size()) {
      model.tokens.resize(at + 1);
      taken.resize(at + 1);
    }
    DURE_CHECK(
        !taken[at], "two tokens have id {}, one is {}", id, quoted(text));
    taken[at] = true;
    model.tokens[at] = read(text);
  }
}

void place_bytes(const TokenIds& vocabulary, BpeModel& model) {
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const std::string text =
        to_byte_level(std::string(1, static_cast<char>(byte)));
    const auto found = vocabulary.find(text);
    DURE_CHECK(found != vocabulary.end(),
               "byte {} (\"{}\") has no token: this is not a byte-level BPE "
               "vocabulary",
               byte,
               text);
    model.bytes[byte] = found->second;
  }
}

std::int32_t id_of(const TokenIds& vocabulary,
                   const std::string& text,
                   std::size_t merge) {
  const auto found = vocabulary.find(text);
  DURE_CHECK(found != vocabulary.end(),
             "merge {} needs {}, which is not in the vocabulary",
             merge,
             quoted(text));
  return found->second;
}

std::vector<BpeMerge> merges_between(const TokenIds& vocabulary,
                                     const MergeTexts& texts,
                                     std::size_t prefix_bytes) {
  std::vector<BpeMerge> merges;
  merges.reserve(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto& [left, right] = texts[i];
    const std::string rest = right.substr(std::min(prefix_bytes, right.size()));
    merges.push_back({id_of(vocabulary, left, i),
                      id_of(vocabulary, right, i),
                      id_of(vocabulary, left + rest, i)});
  }
  return merges;
}

// Each merge is "a b" or ["a", "b"].
MergeTexts merges_of(const Json& array) {
  DURE_CHECK(array.is_array(),
             "model.merges must be an array, got {}",
             array.type_name());
  MergeTexts merges;
  merges.reserve(array.size());
  for (const Json& merge : array) {
    if (merge.is_string()) {
      merges.push_back(parse_merge(merge.get_ref<const std::string&>()));
    } else {
      DURE_CHECK(merge.is_array() && merge.size() == 2,
                 "a merge must be two tokens, got {}",
                 shown(merge));
      merges.emplace_back(merge[0].get<std::string>(),
                          merge[1].get<std::string>());
    }
  }
  return merges;
}

// The text of an option; null counts as "".
std::string option(const Json& model, const char* key) {
  return part(model, key).is_null() ? "" : text_in(model, key);
}

void expect_unused(const Json& model, const char* key) {
  const Json& value = part(model, key);
  // NOLINTNEXTLINE(readability-container-size-empty): a number has no empty()
  const bool unused = value.is_null() || value == std::string() ||
                      (value.is_number() && value == 0);
  DURE_CHECK(unused, "model.{} = {} is not supported", key, shown(value));
}

// The tokens of single bytes; -1 if the vocabulary has none.
template <typename Find>
std::array<std::int32_t, 256> byte_tokens(const Json& model, const Find& find) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::array<std::int32_t, 256> bytes{};
  bytes.fill(-1);
  if (flag(model, "byte_fallback", "model")) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      bytes[byte] =
          find(fmt::format("<0x{}{}>", kDigits[byte >> 4], kDigits[byte & 15]));
    }
  }
  return bytes;
}

BpeModel make_character_bpe(const Json& model,
                            const TokenIds& vocabulary,
                            const MergeTexts& merges) {
  CharacterSymbols symbols;
  symbols.prefix = option(model, "continuing_subword_prefix");
  symbols.suffix = option(model, "end_of_word_suffix");
  symbols.unknown_run = flag(model, "fuse_unk", "model")
                            ? CharacterSymbols::Unknown::kFused
                            : CharacterSymbols::Unknown::kEach;
  symbols.bytes = byte_tokens(model, [&](const std::string& token) {
    const auto found = vocabulary.find(token);
    return found == vocabulary.end() ? -1 : found->second;
  });
  const std::string unknown = option(model, "unk_token");
  if (!unknown.empty()) {
    const auto found = vocabulary.find(unknown);
    DURE_CHECK(found != vocabulary.end(),
               "model.unk_token {} is not in the vocabulary",
               quoted(unknown));
    symbols.unknown = found->second;
  }
  BpeModel result;
  place_tokens(
      vocabulary, result, [](const std::string& text) { return text; });
  result.merges = merges_between(vocabulary, merges, symbols.prefix.size());
  result.characters = std::move(symbols);
  return result;
}

BpeModel read_bpe(const Json& model, SymbolKind symbols) {
  expect_unused(model, "dropout");
  const TokenIds vocabulary = vocabulary_of(part(model, "vocab"));
  const MergeTexts merges = merges_of(part(model, "merges"));
  BpeModel result;
  if (symbols == SymbolKind::kBytes) {
    // Every byte has a token, so nothing is unknown, and nothing falls back.
    expect_unused(model, "continuing_subword_prefix");
    expect_unused(model, "end_of_word_suffix");
    result = make_bpe_model(vocabulary, merges);
  } else {
    result = make_character_bpe(model, vocabulary, merges);
  }
  result.whole_words = flag(model, "ignore_merges", "model")
                           ? BpeModel::WholeWords::kDirect
                           : BpeModel::WholeWords::kMerged;
  return result;
}

// Reads [["token", score], ...].
UnigramModel read_unigram(const Json& model) {
  const Json& vocabulary = part(model, "vocab");
  DURE_CHECK(vocabulary.is_array() && !vocabulary.empty(),
             "the vocabulary of a Unigram model must be a list of tokens with "
             "their scores, got {}",
             shown(vocabulary));
  UnigramModel result;
  TokenIds ids;
  for (const Json& row : vocabulary) {
    DURE_CHECK(row.is_array() && row.size() == 2 && row[0].is_string() &&
                   row[1].is_number(),
               "token {} of a Unigram model must be a text and a score",
               result.tokens.size());
    ids[row[0].get<std::string>()] =
        static_cast<std::int32_t>(result.tokens.size());
    result.tokens.push_back(row[0].get<std::string>());
    result.scores.push_back(row[1].get<double>());
  }
  const Json& unknown = part(model, "unk_id");
  DURE_CHECK(
      unknown.is_number_unsigned() &&
          unknown.get<std::size_t>() < result.tokens.size(),
      "model.unk_id must be an id of the Unigram model's vocabulary, got {}",
      shown(unknown));
  result.unknown = unknown.get<std::int32_t>();
  result.bytes = byte_tokens(model, [&](const std::string& token) {
    const auto found = ids.find(token);
    return found == ids.end() ? -1 : found->second;
  });
  return result;
}

}  // namespace

TokenIds vocabulary_of(const Json& object) {
  DURE_CHECK(object.is_object(),
             "the vocabulary must be an object of token to id, got {}",
             object.type_name());
  TokenIds ids;
  ids.reserve(object.size());
  for (const auto& [token, id] : object.items()) {
    DURE_CHECK(id.is_number_integer(),
               "the id of token {} must be an integer, got {}",
               quoted(token),
               shown(id));
    const auto value = id.get<std::int64_t>();
    DURE_CHECK(value >= 0 && value <= INT32_MAX,
               "the id of token {} must be a 32-bit id, got {}",
               quoted(token),
               value);
    ids.emplace(token, static_cast<std::int32_t>(value));
  }
  return ids;
}

std::variant<BpeModel, UnigramModel> read_model(const Json& model,
                                                SymbolKind symbols) {
  DURE_CHECK(model.is_object(), "the file has no \"model\"");
  const Json& type = part(model, "type");
  DURE_CHECK(type.is_null() || type == "BPE" || type == "Unigram",
             "model type {} is not supported: only BPE and Unigram are",
             shown(type));
  if (type != "Unigram") {
    return read_bpe(model, symbols);
  }
  DURE_CHECK(
      symbols == SymbolKind::kCharacters,
      "a Unigram model after a ByteLevel pre_tokenizer is not supported");
  return read_unigram(model);
}

BpeModel make_bpe_model(const TokenIds& vocabulary, const MergeTexts& merges) {
  BpeModel model;
  // Special tokens may have characters outside the alphabet; they are taken as
  // text.
  place_tokens(vocabulary, model, [](const std::string& text) {
    return from_byte_level(text).value_or(text);
  });
  place_bytes(vocabulary, model);
  model.merges = merges_between(vocabulary, merges, 0);
  return model;
}

std::pair<std::string, std::string> parse_merge(std::string_view line) {
  const std::size_t space = line.find(' ');
  DURE_CHECK(space != std::string_view::npos && space > 0 &&
                 space + 1 < line.size() && space == line.rfind(' '),
             "the merge {} is not two tokens and a space",
             quoted(line));
  return {std::string(line.substr(0, space)),
          std::string(line.substr(space + 1))};
}

MergeTexts parse_merges_text(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) {
    text.remove_prefix(kByteOrderMark.size());
  }
  MergeTexts merges;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && !line.starts_with("#version")) {
      merges.push_back(parse_merge(line));
    }
  }
  return merges;
}

}  // namespace dure::data
