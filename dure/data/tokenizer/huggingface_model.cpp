#include "dure/data/tokenizer/huggingface_model.h"

#include <algorithm>

#include "dure/base/check.h"
#include "dure/base/quote.h"
#include "dure/data/tokenizer/byte_level.h"

namespace dure::data {
namespace {

void place_tokens(const TokenIds& vocabulary, BpeModel& model) {
  // Some vocabularies leave holes; one with this many is a broken file.
  const auto limit = static_cast<std::int64_t>(vocabulary.size()) * 4 + 65536;
  std::vector<bool> taken;
  for (const auto& [text, id] : vocabulary) {
    DURE_CHECK(!text.empty(), "the vocabulary holds an empty token");
    DURE_CHECK(id >= 0 && id < limit,
               "the token ",
               quoted(text),
               " has id ",
               id,
               ", which is not in 0 .. ",
               limit - 1,
               " for a vocabulary of ",
               vocabulary.size());
    const auto at = static_cast<std::size_t>(id);
    if (at >= model.tokens.size()) {
      model.tokens.resize(at + 1);
      taken.resize(at + 1);
    }
    DURE_CHECK(
        !taken[at], "two tokens have id ", id, ", one is ", quoted(text));
    taken[at] = true;
    // Special tokens may hold characters outside the alphabet: taken as text.
    model.tokens[at] = from_byte_level(text).value_or(text);
  }
}

void place_bytes(const TokenIds& vocabulary, BpeModel& model) {
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const std::string text =
        to_byte_level(std::string(1, static_cast<char>(byte)));
    const auto found = vocabulary.find(text);
    DURE_CHECK(found != vocabulary.end(),
               "byte ",
               byte,
               " (\"",
               text,
               "\") has no token: this is not a byte-level BPE vocabulary");
    model.bytes[byte] = found->second;
  }
}

std::int32_t id_of(const TokenIds& vocabulary,
                   const std::string& text,
                   std::size_t merge) {
  const auto found = vocabulary.find(text);
  DURE_CHECK(found != vocabulary.end(),
             "merge ",
             merge,
             " needs ",
             quoted(text),
             ", which is not in the vocabulary");
  return found->second;
}

}  // namespace

BpeModel make_bpe_model(const TokenIds& vocabulary, const MergeTexts& merges) {
  BpeModel model;
  place_tokens(vocabulary, model);
  place_bytes(vocabulary, model);
  model.merges.reserve(merges.size());
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const auto& [left, right] = merges[i];
    model.merges.push_back({id_of(vocabulary, left, i),
                            id_of(vocabulary, right, i),
                            id_of(vocabulary, left + right, i)});
  }
  return model;
}

std::pair<std::string, std::string> parse_merge(std::string_view line) {
  const std::size_t space = line.find(' ');
  DURE_CHECK(space != std::string_view::npos && space > 0 &&
                 space + 1 < line.size() && space == line.rfind(' '),
             "the merge ",
             quoted(line),
             " is not two tokens and a space");
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
