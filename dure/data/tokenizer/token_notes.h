// What the files beside a vocabulary say of its tokens.
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

// A token that a file gives a part to by its text. It must be in the
// vocabulary, which alone knows its id.
struct NamedToken {
  std::string file;  // "tokenizer_config.json"
  std::string key;   // "eos_token"
  AddedToken token;  // all but its id
};

struct TokenNotes {
  // Of added_tokens.json, and of tokenizer_config.json's added_tokens_decoder.
  std::vector<AddedToken> added = {};
  // bos_token, eos_token, unk_token, sep_token, pad_token, cls_token,
  // mask_token, additional_special_tokens and extra_special_tokens. What
  // tokenizer_config.json says stands after what special_tokens_map.json says.
  std::vector<NamedToken> named = {};
  // tokenizer_config.json's add_bos_token, where it is given.
  std::optional<bool> adds_beginning = std::nullopt;
  std::optional<bool> adds_prefix_space = std::nullopt;  // likewise

  // The last that has this key.
  const NamedToken* find(std::string_view key) const;
};

// Of those of the files that tell of tokens. Throws Error, naming the file and
// the key, for what is not of the form that Hugging Face gives them.
TokenNotes read_token_notes(std::span<const TokenizerFile> files);

// The id of a named token, or an Error that names file, key and token where
// the vocabulary has none.
std::int32_t expect_named(const NamedToken& named,
                          std::optional<std::int32_t> id);

}  // namespace dure::data
