// The special tokens of Hugging Face's files: those that are added to the
// vocabulary, and those that begin and end a document.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "dure/data/tokenizer/json_parts.h"
#include "dure/data/tokenizer/pipeline_tokenizer.h"
#include "dure/data/tokenizer/token_notes.h"

namespace dure::data {

// "added_tokens" of a tokenizer.json.
std::vector<AddedToken> read_added_tokens(const Json& array);

// A token that is there is left as it is. Throws Error where its id is another,
// or is another token's.
void add_tokens(const std::vector<AddedToken>& tokens, TokenizerParts& parts);

// A token of the vocabulary that has a part in it is found in texts, as those
// are that the files call added. Throws Error where it isn't there.
void add_named_token(const NamedToken& named, TokenizerParts& parts);

// The id of a token, added or of the model.
std::optional<std::int32_t> id_of(const TokenizerParts& parts,
                                  std::string_view text);

// What "post_processor" puts before a text. What stands after one is nothing
// that a text goes on from.
void read_post_processor(const Json& processor, TokenizerParts& parts);

// By the names of those that end a document in well-known vocabularies.
void guess_end_of_document(TokenizerParts& parts);

}  // namespace dure::data
