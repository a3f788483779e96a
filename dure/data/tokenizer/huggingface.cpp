#include "dure/data/tokenizer/huggingface.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

#include "dure/base/check.h"
#include "dure/data/tokenizer/byte_level.h"
#include "dure/data/tokenizer/huggingface_model.h"

namespace dure::data {
namespace {

using Json = nlohmann::json;

// Where a key is missing or null, nothing was asked for.
const Json& part(const Json& object, const char* key) {
  static const Json null;
  const auto found = object.find(key);
  return found == object.end() ? null : *found;
}

// For messages: a value, but no structure, which may be long and deep.
std::string shown(const Json& value) {
  return value.is_structured() ? value.type_name() : value.dump();
}

std::string type_of(const Json& object) {
  const Json& type = part(object, "type");
  return type.is_string() ? type.get<std::string>() : "without a type";
}

bool flag(const Json& object, const char* key, const char* where) {
  const Json& value = part(object, key);
  DURE_CHECK(value.is_null() || value.is_boolean(),
             where,
             ".",
             key,
             " must be true or false, got ",
             shown(value));
  return value.is_boolean() && value.get<bool>();
}

template <typename Parse>
auto with_json_errors(const char* what,
                      std::string_view text,
                      const Parse& parse) {
  try {
    return parse(Json::parse(text));
  } catch (const Json::exception& e) {
    throw Error(concat(what, ": ", e.what()));
  }
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
               "the id of token \"",
               token,
               "\" must be an integer, got ",
               shown(id));
    const auto value = id.get<std::int64_t>();
    DURE_CHECK(value >= 0 && value <= INT32_MAX,
               "the id of token \"",
               token,
               "\" must be a 32-bit id, got ",
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
               "pre-tokenizer \"",
               type,
               "\" is not supported here: only ByteLevel, Split and Digits "
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

AddedToken added_token(const Json& entry, std::size_t vocabulary) {
  AddedToken token;
  const Json& number = entry.at("id");
  DURE_CHECK(number.is_number_integer(),
             "an added token's id must be an integer, got ",
             shown(number));
  const auto id = number.get<std::int64_t>();
  token.text = entry.at("content").get<std::string>();
  const auto limit = static_cast<std::int64_t>(vocabulary) * 4 + 65536;
  DURE_CHECK(id >= 0 && id < limit,
             "the added token \"",
             token.text,
             "\" has id ",
             id,
             ", which is not in 0 .. ",
             limit - 1);
  DURE_CHECK(!token.text.empty(), "added token ", id, " is empty");
  DURE_CHECK(!flag(entry, "single_word", "added token"),
             "the added token \"",
             token.text,
             "\" has single_word, which is not supported");
  token.id = static_cast<std::int32_t>(id);
  token.strip_left = flag(entry, "lstrip", "added token");
  token.strip_right = flag(entry, "rstrip", "added token");
  token.normalized = flag(entry, "normalized", "added token");
  token.special = flag(entry, "special", "added token");
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
             "the added token \"",
             token.text,
             "\" has id ",
             token.id,
             ", which already stands for \"",
             old,
             "\"");
  old = token.text;
}

void read_added_tokens(const Json& array, ByteLevelParts& parts) {
  const std::size_t vocabulary = parts.model.tokens.size();
  for (const Json& entry : array) {
    parts.added.push_back(added_token(entry, vocabulary));
    place(parts.added.back(), parts.model);
  }
}

std::optional<std::int32_t> id_of(const ByteLevelParts& parts,
                                  std::string_view text) {
  for (const AddedToken& token : parts.added) {
    if (token.text == text) {
      return token.id;
    }
  }
  return std::nullopt;
}

// The first special token of a TemplateProcessing, before the text itself.
void read_post_processor(const Json& processor, ByteLevelParts& parts) {
  for (const Json& stage : stages_of(processor, "processors")) {
    if (type_of(stage) != "TemplateProcessing") {
      continue;
    }
    const Json& single = stage.at("single");
    if (single.is_array() && !single.empty() &&
        single[0].contains("SpecialToken")) {
      parts.beginning_of_document =
          id_of(parts, single[0]["SpecialToken"].at("id").get<std::string>());
    }
  }
}

void guess_end_of_document(ByteLevelParts& parts) {
  constexpr std::array<std::string_view, 3> kEnds = {
      "<|endoftext|>", "<|end_of_text|>", "</s>"};
  for (const std::string_view end : kEnds) {
    if (!parts.end_of_document.has_value()) {
      parts.end_of_document = id_of(parts, end);
    }
  }
}

ByteLevelParts parts_of(const Json& file) {
  DURE_CHECK(file.is_object(),
             "a tokenizer.json is an object, this is ",
             file.type_name());
  const Json& normalizer = part(file, "normalizer");
  DURE_CHECK(normalizer.is_null(),
             "normalizer \"",
             type_of(normalizer),
             "\" is not supported: byte-level BPE reads the text as it is");
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
             "decoder \"",
             type_of(decoder),
             "\" is not supported: only ByteLevel is");
  read_added_tokens(part(file, "added_tokens"), parts);
  if (part(file, "post_processor").is_object()) {
    read_post_processor(part(file, "post_processor"), parts);
  }
  guess_end_of_document(parts);
  return parts;
}

// --- Files beside ---

// "eos_token": "<x>" or {"content": "<x>"}.
std::optional<std::int32_t> named_token(const Json& config,
                                        const char* key,
                                        const ByteLevelParts& parts) {
  const Json& value = part(config, key);
  if (value.is_string()) {
    return id_of(parts, value.get<std::string>());
  }
  const Json& content = value.is_object() ? part(value, "content") : value;
  return content.is_string() ? id_of(parts, content.get<std::string>())
                             : std::nullopt;
}

void read_neighbour(const Path& path, ByteLevelParts& parts) {
  if (!std::filesystem::exists(path)) {
    return;
  }
  with_json_errors(path.c_str(), read_file(path), [&](const Json& config) {
    if (config.is_object()) {
      if (const auto id = named_token(config, "bos_token", parts)) {
        parts.beginning_of_document = id;
      }
      if (const auto id = named_token(config, "eos_token", parts)) {
        parts.end_of_document = id;
      }
    }
    return 0;
  });
}

// Errors of `parse` with the file's name before them.
template <typename Parse>
ByteLevelParts read_named(const Path& path, const Parse& parse) {
  try {
    ByteLevelParts parts = parse();
    read_neighbour(path.parent_path() / "special_tokens_map.json", parts);
    read_neighbour(path.parent_path() / "tokenizer_config.json", parts);
    return parts;
  } catch (const UsageError&) {
    throw;
  } catch (const Error& e) {
    throw Error(
        concat("can't read the tokenizer ", path.string(), ": ", e.what()));
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
  parts.model = make_bpe_model(ids, parse_merges_text(merges));
  const auto found = ids.find(std::string(kEnd));
  if (found != ids.end()) {
    parts.added.push_back(
        {.id = found->second, .text = std::string(kEnd), .special = true});
    parts.end_of_document = found->second;
  }
  return parts;
}

ByteLevelParts read_tokenizer_json(const Path& path) {
  return read_named(path,
                    [&] { return parse_tokenizer_json(read_file(path)); });
}

ByteLevelParts read_vocab_and_merges(const Path& vocab, const Path& merges) {
  return read_named(vocab, [&] {
    return parse_vocab_and_merges(read_file(vocab), read_file(merges));
  });
}

}  // namespace dure::data
