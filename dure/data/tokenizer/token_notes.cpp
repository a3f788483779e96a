#include "dure/data/tokenizer/token_notes.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "dure/base/quote.h"
#include "dure/data/tokenizer/json_parts.h"

namespace dure::data {
namespace {

constexpr std::array kRoles = {"bos_token",
                               "eos_token",
                               "unk_token",
                               "sep_token",
                               "pad_token",
                               "cls_token",
                               "mask_token"};
constexpr std::array kLists = {"additional_special_tokens",
                               "extra_special_tokens"};

// Reads "<x>" or {"content": "<x>", ...}. null and "", which old files have,
// name nothing.
void read_named(const TokenizerFile& file,
                const char* key,
                const Json& value,
                TokenNotes& notes) {
  const Json& content = value.is_object() ? part(value, "content") : value;
  DURE_CHECK(
      content.is_string() || value.is_null(),
      "{}: {} must be a token's text or an object with its \"content\", got {}",
      file.name,
      key,
      shown(value));
  // NOLINTNEXTLINE(readability-container-size-empty): a text is no container
  if (value.is_null() || content == "") {
    return;
  }
  NamedToken named{file.name, key, {}};
  if (value.is_object()) {
    named.token = parse_added_token(value, content.get<std::string>());
  } else {
    named.token.text = content.get<std::string>();
  }
  named.token.special = true;
  notes.named.push_back(std::move(named));
}

void read_roles(const TokenizerFile& file,
                const Json& object,
                TokenNotes& notes) {
  for (const char* key : kRoles) {
    read_named(file, key, part(object, key), notes);
  }
  for (const char* key : kLists) {
    const Json& list = part(object, key);
    DURE_CHECK(list.is_structured() || list.is_null(),
               "{}: {} must be a list of tokens, got {}",
               file.name,
               key,
               shown(list));
    for (const Json& value : list) {  // or an object with its own names
      read_named(file, key, value, notes);
    }
  }
}

std::int32_t id_in(const TokenizerFile& file,
                   const std::string& token,
                   std::int64_t id) {
  DURE_CHECK(id >= 0 && id <= INT32_MAX,
             "{}: the id of {} must be a 32-bit id, got {}",
             file.name,
             quoted(token),
             id);
  return static_cast<std::int32_t>(id);
}

// Reads {"<x>": 300}.
void read_added(const TokenizerFile& file,
                const Json& object,
                TokenNotes& notes) {
  for (const auto& [text, id] : object.items()) {
    DURE_CHECK(id.is_number_integer() && !text.empty(),
               "{} must give tokens their ids, got {}: {}",
               file.name,
               quoted(text),
               shown(id));
    notes.added.push_back({.id = id_in(file, text, id.get<std::int64_t>()),
                           .text = text,
                           .special = true});
  }
}

// Reads {"300": {"content": "<x>", ...}}.
void read_added_decoder(const TokenizerFile& file,
                        const Json& object,
                        TokenNotes& notes) {
  const Json& decoder = part(object, "added_tokens_decoder");
  DURE_CHECK(decoder.is_object() || decoder.is_null(),
             "{}: added_tokens_decoder must be an object, got {}",
             file.name,
             shown(decoder));
  for (const auto& [key, value] : decoder.items()) {
    std::int64_t id = -1;
    const char* const end = key.data() + key.size();
    const auto number = std::from_chars(key.data(), end, id);
    const Json& content = value.is_object() ? part(value, "content") : value;
    // NOLINTNEXTLINE(readability-container-size-empty): a text is no container
    const bool named = content.is_string() && content != "";
    DURE_CHECK(
        number.ec == std::errc() && number.ptr == end && value.is_object() &&
            named,
        "{}: added_tokens_decoder must give ids their tokens, got {}: {}",
        file.name,
        quoted(key),
        shown(value));
    const auto text = content.get<std::string>();
    notes.added.push_back(parse_added_token(value, text));
    notes.added.back().id = id_in(file, text, id);
  }
}

void read_config(const TokenizerFile& file,
                 const Json& object,
                 TokenNotes& notes) {
  read_added_decoder(file, object, notes);
  read_roles(file, object, notes);
  if (!part(object, "add_bos_token").is_null()) {
    notes.adds_beginning = flag(object, "add_bos_token", file.name.c_str());
  }
  if (part(object, "add_prefix_space").is_boolean()) {
    notes.adds_prefix_space = part(object, "add_prefix_space").get<bool>();
  }
}

using Read = void (*)(const TokenizerFile&, const Json&, TokenNotes&);

// The readers in the order in which files apply, whatever order they come in.
constexpr std::array<std::pair<const char*, Read>, 3> kReaders = {{
    {"added_tokens.json", read_added},
    {"special_tokens_map.json", read_roles},
    {"tokenizer_config.json", read_config},
}};

}  // namespace

const NamedToken* TokenNotes::find(std::string_view key) const {
  const auto found =
      std::find_if(named.rbegin(), named.rend(), [&](const NamedToken& token) {
        return token.key == key;
      });
  return found == named.rend() ? nullptr : &*found;
}

TokenNotes read_token_notes(std::span<const TokenizerFile> files) {
  TokenNotes notes;
  for (const auto& reader : kReaders) {
    for (const TokenizerFile& file : files) {
      if (file.name != reader.first) {
        continue;
      }
      with_json_errors(file.name, file.text, [&](const Json& object) {
        DURE_CHECK(object.is_object(),
                   "{} must be an object, got {}",
                   file.name,
                   shown(object));
        reader.second(file, object, notes);
        return 0;
      });
    }
  }
  return notes;
}

std::int32_t expect_named(const NamedToken& named,
                          std::optional<std::int32_t> id) {
  DURE_CHECK(id.has_value(),
             "{} names {} {}, which is not in the vocabulary: add it there or "
             "in added_tokens.json, or take the key out",
             named.file,
             named.key,
             quoted(named.token.text));
  return *id;
}

}  // namespace dure::data
