#include "dure/data/tokenizer/huggingface.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/quote.h"
#include "dure/data/tokenizer/byte_level.h"
#include "dure/data/tokenizer/huggingface_model.h"
#include "dure/data/tokenizer/json_parts.h"

namespace dure::data {
namespace {

std::string type_of(const Json& object) {
  const Json& type = part(object, "type");
  return type.is_string() ? type.get<std::string>() : "without a type";
}

// --- The model ---

TokenIds vocabulary_of(const Json& object) {
  DURE_CHECK(object.is_object(),
             "the vocabulary must be an object of token to "
             "id, got ",
             object.type_name());
  TokenIds ids;
  ids.reserve(object.size());
  for (const auto& [token, id] : object.items()) {
    DURE_CHECK(id.is_number_integer(),
               "the id of token ",
               quoted(token),
               " must be an integer, got ",
               shown(id));
    const auto value = id.get<std::int64_t>();
    DURE_CHECK(value >= 0 && value <= INT32_MAX,
               "the id of token ",
               quoted(token),
               " must be a 32-bit id, got ",
               value);
    ids.emplace(token, static_cast<std::int32_t>(value));
  }
  return ids;
}

// Each merge is "a b" or ["a", "b"].
MergeTexts merges_of(const Json& array) {
  DURE_CHECK(array.is_array(),
             "model.merges must be an array, got ",
             array.type_name());
  MergeTexts merges;
  merges.reserve(array.size());
  for (const Json& merge : array) {
    if (merge.is_string()) {
      merges.push_back(parse_merge(merge.get_ref<const std::string&>()));
    } else {
      DURE_CHECK(merge.is_array() && merge.size() == 2,
                 "a merge must be two tokens, got ",
                 shown(merge));
      merges.emplace_back(merge[0].get<std::string>(),
                          merge[1].get<std::string>());
    }
  }
  return merges;
}

void expect_unused(const Json& model, const char* key) {
  const Json& value = part(model, key);
  // NOLINTNEXTLINE(readability-container-size-empty): a number has no empty()
  const bool unused = value.is_null() || value == "" || value == false ||
                      (value.is_number() && value == 0);
  DURE_CHECK(unused,
             "model.",
             key,
             " = ",
             shown(value),
             " is not supported (byte-level BPE has no use for it)");
}

void read_model(const Json& model, ByteLevelParts& parts) {
  DURE_CHECK(model.is_object(), "the file has no \"model\"");
  const Json& type = part(model, "type");
  DURE_CHECK(type.is_null() || type == "BPE",
             "model type ",
             shown(type),
             " is not supported: only BPE is");
  for (const char* key : {"dropout",
                          "unk_token",
                          "continuing_subword_prefix",
                          "end_of_word_suffix",
                          "byte_fallback"}) {
    expect_unused(model, key);
  }
  parts.model = make_bpe_model(vocabulary_of(part(model, "vocab")),
                               merges_of(part(model, "merges")));
  parts.whole_words = flag(model, "ignore_merges", "model")
                          ? Bpe::WholeWords::kDirect
                          : Bpe::WholeWords::kMerged;
}

// --- Splitting ---

void read_split(const Json& split, ByteLevelParts& parts) {
  const Json& behavior = part(split, "behavior");
  DURE_CHECK(behavior == "Isolated" && !flag(split, "invert", "Split"),
             "a Split pre-tokenizer with behavior ",
             shown(behavior),
             " is not supported: only \"Isolated\", not inverted, is");
  const Json& pattern = part(split, "pattern");
  DURE_CHECK(pattern.is_object(), "a Split pre-tokenizer has no pattern");
  const Json& regex = part(pattern, "Regex");
  parts.patterns.push_back(
      regex.is_string()
          ? regex.get<std::string>()
          : literal_pattern(pattern.at("String").get<std::string>()));
}

void read_byte_level(const Json& stage, ByteLevelParts& parts) {
  if (flag(stage, "add_prefix_space", "ByteLevel")) {
    DURE_CHECK(parts.patterns.empty(),
               "a ByteLevel pre-tokenizer that adds a "
               "prefix space after another pre-tokenizer is not supported");
    parts.prefix_space = ByteLevelParts::PrefixSpace::kAdded;
  }
  const Json& use_regex = part(stage, "use_regex");  // files of old lack it
  if (use_regex.is_null() || flag(stage, "use_regex", "ByteLevel")) {
    parts.patterns.emplace_back(kGpt2Pattern);
  }
}

void read_stage(const Json& stage, ByteLevelParts& parts) {
  const std::string type = type_of(stage);
  if (type == "Split") {
    read_split(stage, parts);
  } else if (type == "Digits") {
    const bool single = flag(stage, "individual_digits", "Digits");
    parts.patterns.emplace_back(single ? R"(\p{N})" : R"(\p{N}+)");
  } else if (type == "ByteLevel") {
    read_byte_level(stage, parts);
  } else {
    DURE_CHECK(false,
               "pre-tokenizer ",
               quoted(type),
               " is not supported here: only ByteLevel, Split and Digits "
               "are, alone or in one Sequence");
  }
}

// The stages of a Sequence under `key`, or the one that stands alone.
std::vector<Json> stages_of(const Json& object, const char* key) {
  if (type_of(object) != "Sequence") {
    return {object};
  }
  return object.at(key).get<std::vector<Json>>();
}

// ByteLevel must be the last: without it bytes are not in the alphabet, and
// the same vocabulary would mean something else.
void read_pre_tokenizer(const Json& object, ByteLevelParts& parts) {
  const std::vector<Json> stages = stages_of(object, "pretokenizers");
  for (const Json& stage : stages) {
    read_stage(stage, parts);
  }
  DURE_CHECK(!stages.empty() && type_of(stages.back()) == "ByteLevel",
             "the pre_tokenizer must end in ByteLevel");
}

// --- Special tokens ---

AddedToken added_token(const Json& entry) {
  const Json& number = entry.at("id");
  DURE_CHECK(number.is_number_integer(),
             "an added token's id must be an integer, got ",
             shown(number));
  const auto id = number.get<std::int64_t>();
  AddedToken token =
      parse_added_token(entry, entry.at("content").get<std::string>());
  DURE_CHECK(id >= 0 && id <= INT32_MAX,
             "the added token ",
             quoted(token.text),
             " must have a 32-bit id, got ",
             id);
  DURE_CHECK(!token.text.empty(), "added token ", id, " is empty");
  token.id = static_cast<std::int32_t>(id);
  return token;
}

// Whether a text may be encoded to this id other than by an added token.
bool is_learnt(const BpeModel& model, std::int32_t id) {
  const auto is_result = [&](const BpeMerge& m) { return m.result == id; };
  return std::count(model.bytes.begin(), model.bytes.end(), id) > 0 ||
         std::any_of(model.merges.begin(), model.merges.end(), is_result);
}

// Gives the id its text. The vocabulary may already hold it there, as text or,
// which reads the same in the file, as bytes in the alphabet.
void place(const AddedToken& token, BpeModel& model) {
  const auto at = static_cast<std::size_t>(token.id);
  model.tokens.resize(std::max(model.tokens.size(), at + 1));
  std::string& old = model.tokens[at];
  const bool same =
      old.empty() || old == token.text ||
      (old == from_byte_level(token.text) && !is_learnt(model, token.id));
  DURE_CHECK(same,
             "the added token ",
             quoted(token.text),
             " has id ",
             token.id,
             ", which already stands for ",
             quoted(old));
  old = token.text;
}

const AddedToken* find_added(const ByteLevelParts& parts,
                             std::string_view text) {
  const auto found = std::find_if(
      parts.added.begin(), parts.added.end(), [&](const AddedToken& t) {
        return t.text == text;
      });
  return found == parts.added.end() ? nullptr : &*found;
}

std::optional<std::int32_t> id_of(const ByteLevelParts& parts,
                                  std::string_view text) {
  if (const AddedToken* added = find_added(parts, text)) {
    return added->id;
  }
  const std::vector<std::string>& tokens = parts.model.tokens;
  const auto found = std::find(tokens.begin(), tokens.end(), text);
  return found == tokens.end()
             ? std::nullopt
             : std::optional(static_cast<std::int32_t>(found - tokens.begin()));
}

// A token that is there is left as it is, its id must be the same.
void add(const AddedToken& token, std::size_t ids, ByteLevelParts& parts) {
  if (const AddedToken* there = find_added(parts, token.text)) {
    DURE_CHECK(there->id == token.id,
               "the added token ",
               quoted(token.text),
               " has id ",
               token.id,
               ", and ",
               there->id,
               " elsewhere");
    return;
  }
  // Some leave holes; this many are a broken file.
  const auto limit = static_cast<std::int64_t>(ids) * 4 + 65536;
  DURE_CHECK(token.id < limit,
             "the added token ",
             quoted(token.text),
             " has id ",
             token.id,
             ", which is not in 0 .. ",
             limit - 1);
  place(token, parts.model);
  parts.added.push_back(token);
}

void add_all(const std::vector<AddedToken>& tokens, ByteLevelParts& parts) {
  const std::size_t ids = parts.model.tokens.size();
  for (const AddedToken& token : tokens) {
    add(token, ids, parts);
  }
}

// A token of the vocabulary that has a part in it is found in texts, as those
// are that the files call added.
std::int32_t add_named(const NamedToken& named, ByteLevelParts& parts) {
  AddedToken token = named.token;
  token.id = expect_named(named, id_of(parts, token.text));
  add(token, parts.model.tokens.size(), parts);
  return token.id;
}

std::vector<AddedToken> added_tokens_of(const Json& array) {
  DURE_CHECK(array.is_array() || array.is_null(),
             "added_tokens must be an array, got ",
             shown(array));
  std::vector<AddedToken> tokens;
  for (const Json& entry : array) {
    tokens.push_back(added_token(entry));
  }
  return tokens;
}

// --- What is put before a text ---

std::int32_t processor_token(const ByteLevelParts& parts,
                             const std::string& text) {
  const auto id = id_of(parts, text);
  DURE_CHECK(id.has_value(),
             "the post_processor names ",
             quoted(text),
             ", which is not in the vocabulary");
  return *id;
}

// "single" is what becomes of a text alone: [<s>, the text, </s>].
void read_template(const Json& stage, ByteLevelParts& parts) {
  const Json& single = part(stage, "single");
  DURE_CHECK(single.is_array() && !single.empty(),
             "a TemplateProcessing has no \"single\"");
  const auto is_token = [](const Json& piece) {
    return piece.contains("SpecialToken");
  };
  const auto text = std::find_if_not(single.begin(), single.end(), is_token);
  DURE_CHECK(text - single.begin() <= 1,
             "a TemplateProcessing that puts ",
             text - single.begin(),
             " tokens before a text is not supported: only one is");
  if (text != single.begin()) {
    parts.beginning_of_document = processor_token(
        parts, single[0]["SpecialToken"].at("id").get<std::string>());
  }
}

// Tokens that stand after a text are nothing that a text goes on from.
void read_post_processor(const Json& processor, ByteLevelParts& parts) {
  for (const Json& stage : stages_of(processor, "processors")) {
    const std::string type = type_of(stage);
    if (type == "TemplateProcessing") {
      read_template(stage, parts);
    } else if (type == "RobertaProcessing" || type == "BertProcessing") {
      parts.beginning_of_document =
          processor_token(parts, stage.at("cls").at(0).get<std::string>());
    } else {
      DURE_CHECK(type == "ByteLevel",
                 "post_processor ",
                 quoted(type),
                 " is not supported: only ByteLevel, TemplateProcessing, "
                 "RobertaProcessing and BertProcessing are");
    }
  }
}

void guess_end_of_document(ByteLevelParts& parts) {
  constexpr std::array<std::string_view, 3> kEnds = {
      "<|endoftext|>", "<|end_of_text|>", "</s>"};
  for (const std::string_view end : kEnds) {
    if (const AddedToken* token = find_added(parts, end)) {
      parts.end_of_document = token->id;
      return;
    }
  }
}

ByteLevelParts parts_of(const Json& file) {
  DURE_CHECK(file.is_object(),
             "a tokenizer.json is an object, this is ",
             file.type_name());
  const Json& normalizer = part(file, "normalizer");
  DURE_CHECK(normalizer.is_null(),
             "normalizer ",
             quoted(type_of(normalizer)),
             " is not supported: byte-level BPE reads the text as it is");
  ByteLevelParts parts;
  parts.patterns.clear();
  read_model(part(file, "model"), parts);
  const Json& pre_tokenizer = part(file, "pre_tokenizer");
  DURE_CHECK(pre_tokenizer.is_object(),
             "the file has no pre_tokenizer: "
             "byte-level BPE needs ByteLevel");
  read_pre_tokenizer(pre_tokenizer, parts);
  const Json& decoder = part(file, "decoder");
  DURE_CHECK(decoder.is_null() || type_of(decoder) == "ByteLevel",
             "decoder ",
             quoted(type_of(decoder)),
             " is not supported: only ByteLevel is");
  add_all(added_tokens_of(part(file, "added_tokens")), parts);
  if (part(file, "post_processor").is_object()) {
    read_post_processor(part(file, "post_processor"), parts);
  }
  guess_end_of_document(parts);
  return parts;
}

// --- Files beside ---

// add_bos_token has the last word, where it is given.
void read_beginning(const TokenNotes& notes, ByteLevelParts& parts) {
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

ByteLevelParts parse_tokenizer_json(std::string_view text) {
  return with_json_errors("tokenizer.json", text, parts_of);
}

ByteLevelParts parse_vocab_and_merges(std::string_view vocab,
                                      std::string_view merges) {
  constexpr std::string_view kEnd = "<|endoftext|>";
  const TokenIds ids = with_json_errors("vocab.json", vocab, vocabulary_of);
  ByteLevelParts parts;
  const MergeTexts pairs = parse_merges_text(merges);
  DURE_CHECK(!pairs.empty(),
             "merges.txt holds no merges, and so no token of several bytes "
             "would ever be made: is it the whole file?");
  parts.model = make_bpe_model(ids, pairs);
  const auto found = ids.find(std::string(kEnd));
  if (found != ids.end()) {
    parts.added.push_back(
        {.id = found->second, .text = std::string(kEnd), .special = true});
    parts.end_of_document = found->second;
  }
  return parts;
}

void apply(const TokenNotes& notes, ByteLevelParts& parts) {
  const bool adds = parts.prefix_space == ByteLevelParts::PrefixSpace::kAdded;
  DURE_CHECK(notes.adds_prefix_space.value_or(adds) == adds,
             "tokenizer_config.json: add_prefix_space is ",
             adds ? "false" : "true",
             ", and the vocabulary's own file says otherwise; make them agree");
  add_all(notes.added, parts);
  for (const NamedToken& named : notes.named) {
    add_named(named, parts);
  }
  if (const NamedToken* end = notes.find("eos_token")) {
    parts.end_of_document = id_of(parts, end->token.text);
  }
  read_beginning(notes, parts);
}

}  // namespace dure::data
