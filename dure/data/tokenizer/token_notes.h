// The notes on a vocabulary's tokens in the files beside it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dure/data/tokenizer/added_tokens.h"
#include "dure/data/tokenizer/tokenizer_files.h"

namespace dure::data {

// A token to which a file gives a role by its text. It must be in the
// vocabulary, which alone knows its id.
struct NamedToken {
  std::string file;  // "tokenizer_config.json"
  std::string key;   // "eos_token"
  AddedToken token;  // all but its id
};

struct TokenNotes {
  // From added_tokens.json, and tokenizer_config.json's added_tokens_decoder.
  std::vector<AddedToken> added = {};
  // bos_token, eos_token, unk_token, sep_token, pad_token, cls_token,
  // mask_token, additional_special_tokens and extra_special_tokens. The tokens
  // of tokenizer_config.json come after those of special_tokens_map.json.
  std::vector<NamedToken> named = {};
  // tokenizer_config.json's add_bos_token, if it is given.
  std::optional<bool> adds_beginning = std::nullopt;
  std::optional<bool> adds_prefix_space = std::nullopt;  // the key of that name

  // The last token with this key.
  const NamedToken* find(std::string_view key) const;
};

// Reads the notes from those of the files that have them. Throws Error, naming
// the file and the key, for a form other than Hugging Face's.
TokenNotes read_token_notes(std::span<const TokenizerFile> files);

// The id of a named token. Throws Error that names file, key and token if the
// vocabulary has none.
std::int32_t expect_named(const NamedToken& named,
                          std::optional<std::int32_t> id);

}  // namespace dure::data
