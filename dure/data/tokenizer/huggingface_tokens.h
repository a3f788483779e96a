// The special tokens of Hugging Face's files: those added to the vocabulary,
// and those that begin and end a document.
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

// Adds tokens; one that exists stays as it is. Throws Error if it has another
// id there, or if its id is another token's.
void add_tokens(const std::vector<AddedToken>& tokens, TokenizerParts& parts);

// Finds a token of the vocabulary that a file names in texts, like the tokens
// that the files call added. Throws Error if the vocabulary lacks it.
void add_named_token(const NamedToken& named, TokenizerParts& parts);

// The id of a token, added or of the model.
std::optional<std::int32_t> id_of(const TokenizerParts& parts,
                                  std::string_view text);

// Reads the tokens that "post_processor" puts before a text. It ignores the
// tokens after a text.
void read_post_processor(const Json& processor, TokenizerParts& parts);

// Guesses it by the names of well-known vocabularies.
void guess_end_of_document(TokenizerParts& parts);

}  // namespace dure::data
