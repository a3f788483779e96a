#include "dure/data/tokenizer/huggingface_tokens.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <variant>

#include "dure/base/check.h"
#include "dure/base/quote.h"
#include "dure/data/tokenizer/byte_level.h"

namespace dure::data {
namespace {

AddedToken added_token(const Json& entry) {
  const Json& number = entry.at("id");
  DURE_CHECK(number.is_number_integer(),
             "an added token's id must be an integer, got {}",
             shown(number));
  const auto id = number.get<std::int64_t>();
  AddedToken token =
      parse_added_token(entry, entry.at("content").get<std::string>());
  DURE_CHECK(id >= 0 && id <= INT32_MAX,
             "the added token {} must have a 32-bit id, got {}",
             quoted(token.text),
             id);
  DURE_CHECK(!token.text.empty(), "added token {} is empty", id);
  token.id = static_cast<std::int32_t>(id);
  return token;
}

// Whether a text can get this id other than by an added token.
bool is_learnt(const BpeModel& model, std::int32_t id) {
  const auto is_result = [&](const BpeMerge& m) { return m.result == id; };
  return std::count(model.bytes.begin(), model.bytes.end(), id) > 0 ||
         std::any_of(model.merges.begin(), model.merges.end(), is_result);
}

// At this id the vocabulary may have the token, as text or, which reads the
// same in the file of a byte-level one, as bytes in the alphabet; or nothing.
void expect_place(const AddedToken& token, const TokenizerParts& parts) {
  const std::vector<std::string>& tokens = parts.tokens();
  const auto at = static_cast<std::size_t>(token.id);
  if (at >= tokens.size() || tokens[at].empty() || tokens[at] == token.text) {
    return;
  }
  const bool same = parts.is_byte_level() &&
                    tokens[at] == from_byte_level(token.text) &&
                    !is_learnt(std::get<BpeModel>(parts.model), token.id);
  DURE_CHECK(same,
             "the added token {} has id {}, which already stands for {}",
             quoted(token.text),
             token.id,
             quoted(tokens[at]));
}

const AddedToken* find_added(const TokenizerParts& parts,
                             std::string_view text) {
  const auto found = std::find_if(
      parts.added.begin(), parts.added.end(), [&](const AddedToken& t) {
        return t.text == text;
      });
  return found == parts.added.end() ? nullptr : &*found;
}

// Tokens of one text must have one id, and an id only one token.
void expect_free(const AddedToken& token, const TokenizerParts& parts) {
  const auto there = std::find_if(
      parts.added.begin(), parts.added.end(), [&](const AddedToken& t) {
        return t.id == token.id;
      });
  DURE_CHECK(there == parts.added.end(),
             "the added token {} has id {}, which already stands for {}",
             quoted(token.text),
             token.id,
             quoted(there == parts.added.end() ? "" : there->text));
}

// A token that exists stays as it is, and must have the same id.
void add(const AddedToken& token, std::size_t ids, TokenizerParts& parts) {
  if (const AddedToken* there = find_added(parts, token.text)) {
    DURE_CHECK(there->id == token.id,
               "the added token {} has id {}, and {} elsewhere",
               quoted(token.text),
               token.id,
               there->id);
    return;
  }
  // Some vocabularies leave holes, but this many are a broken file.
  const auto limit = static_cast<std::int64_t>(ids) * 4 + 65536;
  DURE_CHECK(token.id < limit,
             "the added token {} has id {}, which is not in 0 .. {}",
             quoted(token.text),
             token.id,
             limit - 1);
  expect_free(token, parts);
  expect_place(token, parts);
  parts.added.push_back(token);
}

std::int32_t processor_token(const TokenizerParts& parts,
                             const std::string& text) {
  const auto id = id_of(parts, text);
  DURE_CHECK(id.has_value(),
             "the post_processor names {}, which is not in the vocabulary",
             quoted(text));
  return *id;
}

// "single" is the form of a single text: [<s>, the text, </s>].
void read_template(const Json& stage, TokenizerParts& parts) {
  const Json& single = part(stage, "single");
  DURE_CHECK(single.is_array() && !single.empty(),
             "a TemplateProcessing has no \"single\"");
  const auto is_token = [](const Json& piece) {
    return piece.contains("SpecialToken");
  };
  const auto text = std::find_if_not(single.begin(), single.end(), is_token);
  DURE_CHECK(text - single.begin() <= 1,
             "a TemplateProcessing that puts {} tokens before a text is not "
             "supported: only one is",
             text - single.begin());
  if (text != single.begin()) {
    parts.beginning_of_document = processor_token(
        parts, single[0]["SpecialToken"].at("id").get<std::string>());
  }
}

}  // namespace

std::vector<AddedToken> read_added_tokens(const Json& array) {
  DURE_CHECK(array.is_array() || array.is_null(),
             "added_tokens must be an array, got {}",
             shown(array));
  std::vector<AddedToken> tokens;
  for (const Json& entry : array) {
    tokens.push_back(added_token(entry));
  }
  return tokens;
}

void add_tokens(const std::vector<AddedToken>& tokens, TokenizerParts& parts) {
  const std::size_t ids = parts.tokens().size();
  for (const AddedToken& token : tokens) {
    add(token, ids, parts);
  }
}

void add_named_token(const NamedToken& named, TokenizerParts& parts) {
  AddedToken token = named.token;
  token.id = expect_named(named, id_of(parts, token.text));
  add(token, parts.tokens().size(), parts);
}

std::optional<std::int32_t> id_of(const TokenizerParts& parts,
                                  std::string_view text) {
  if (const AddedToken* added = find_added(parts, text)) {
    return added->id;
  }
  const std::vector<std::string>& tokens = parts.tokens();
  const auto found = std::find(tokens.begin(), tokens.end(), text);
  return found == tokens.end()
             ? std::nullopt
             : std::optional(static_cast<std::int32_t>(found - tokens.begin()));
}

void read_post_processor(const Json& processor, TokenizerParts& parts) {
  for (const Json& stage : stages_of(processor, "processors")) {
    const std::string type = type_of(stage);
    if (type == "TemplateProcessing") {
      read_template(stage, parts);
    } else if (type == "RobertaProcessing" || type == "BertProcessing") {
      parts.beginning_of_document =
          processor_token(parts, stage.at("cls").at(0).get<std::string>());
    } else {
      DURE_CHECK(type == "ByteLevel",
                 "post_processor {} is not supported: only ByteLevel, "
                 "TemplateProcessing, RobertaProcessing and BertProcessing are",
                 quoted(type));
    }
  }
}

void guess_end_of_document(TokenizerParts& parts) {
  constexpr std::array<std::string_view, 3> kEnds = {
      "<|endoftext|>", "<|end_of_text|>", "</s>"};
  for (const std::string_view end : kEnds) {
    if (const AddedToken* token = find_added(parts, end)) {
      parts.end_of_document = token->id;
      return;
    }
  }
}

}  // namespace dure::data
