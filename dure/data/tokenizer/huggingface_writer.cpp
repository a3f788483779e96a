// Writes tokenizer.json as Hugging Face's tokenizers 0.13 and later read it:
// docs/formats/tokenizers.md has the layout.
#include <cassert>
#include <nlohmann/json.hpp>
#include <variant>

#include "dure/base/check.h"
#include "dure/data/tokenizer/byte_level.h"
#include "dure/data/tokenizer/huggingface.h"

namespace dure::data {
namespace {

using Json = nlohmann::ordered_json;

Json added_token(const AddedToken& token) {
  return {{"id", token.id},
          {"content", token.text},
          {"single_word", token.single_word},
          {"lstrip", token.strip_left},
          {"rstrip", token.strip_right},
          {"normalized", token.normalized},
          {"special", token.special}};
}

Json byte_level(bool use_regex, bool prefix_space) {  // NOLINT: JSON's fields
  return {{"type", "ByteLevel"},
          {"add_prefix_space", prefix_space},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

// A trained tokenizer has no other steps.
Json pre_tokenizer(const TokenizerParts& parts) {
  bool prefix = false;
  std::vector<std::string> patterns;
  for (const PieceStep& step : parts.pieces) {
    const auto* cut = std::get_if<CutText>(&step);
    assert(cut != nullptr || std::holds_alternative<AddPrefix>(step));
    if (cut != nullptr) {
      assert(cut->match == CutText::Match::kIsolated);
      patterns.push_back(cut->pattern);
    } else {
      prefix = true;
    }
  }
  if (patterns.size() == 1 && patterns[0] == kGpt2Pattern) {
    return byte_level(true, prefix);
  }
  Json stages = Json::array();
  for (const std::string& pattern : patterns) {
    stages.push_back({{"type", "Split"},
                      {"pattern", {{"Regex", pattern}}},
                      {"behavior", "Isolated"},
                      {"invert", false}});
  }
  stages.push_back(byte_level(false, prefix));
  return {{"type", "Sequence"}, {"pretokenizers", std::move(stages)}};
}

// An added token is in the vocabulary as its text, the others as their bytes in
// the alphabet.
std::vector<std::string> vocabulary_texts(const TokenizerParts& parts) {
  std::vector<std::string> texts;
  for (const std::string& token : parts.tokens()) {
    texts.push_back(to_byte_level(token));
  }
  for (const AddedToken& token : parts.added) {
    if (static_cast<std::size_t>(token.id) < texts.size()) {
      texts[token.id] = token.text;
    }
  }
  return texts;
}

Json model(const TokenizerParts& parts) {
  const auto& bpe = std::get<BpeModel>(parts.model);
  const std::vector<std::string> texts = vocabulary_texts(parts);
  Json vocab = Json::object();
  // It inserts into the underlying vector, because operator[] searches for the
  // key first.
  auto& members = vocab.get_ref<Json::object_t&>();
  members.reserve(texts.size());
  for (std::size_t id = 0; id < texts.size(); ++id) {
    if (!texts[id].empty()) {
      members.Json::object_t::Container::emplace_back(texts[id], id);
    }
  }
  Json merges = Json::array();
  for (const BpeMerge& merge : bpe.merges) {
    merges.push_back(texts[merge.left] + " " + texts[merge.right]);
  }
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", bpe.whole_words == BpeModel::WholeWords::kDirect},
          {"vocab", std::move(vocab)},
          {"merges", std::move(merges)}};
}

}  // namespace

std::string tokenizer_json_text(const TokenizerParts& parts) {
  Json added = Json::array();
  for (const AddedToken& token : parts.added) {
    added.push_back(added_token(token));
  }
  const Json file = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", std::move(added)},
                     {"normalizer", nullptr},
                     {"pre_tokenizer", pre_tokenizer(parts)},
                     {"post_processor", nullptr},
                     {"decoder", byte_level(true, true)},
                     {"model", model(parts)}};
  return file.dump(1) + "\n";
}

}  // namespace dure::data
