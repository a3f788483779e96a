// The files that a tokenizer is made of.
//
// A tokenizer is read in two steps: its files, all of them, and then what they
// hold. Nothing but these files has a say in the second step, so whoever keeps
// them keeps the tokenizer.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "dure/base/files.h"

namespace dure::data {

// The tokenizer that has no files.
inline constexpr const char* kBytesTokenizer = "bytes";

struct TokenizerFile {
  std::string name;  // under which a folder's files are looked for
  Path path;         // where this one was found
  std::string text;
};

// What the word names, as load_tokenizer() takes it: the file or pair of files
// with the vocabulary first, then those beside it that tell of its tokens
// (tokenizer_config.json, special_tokens_map.json, added_tokens.json), where
// there are any. A folder of them under their names is the same tokenizer.
// None for "bytes". Throws Error for what is missing or can't be read.
std::vector<TokenizerFile> read_tokenizer_files(const std::string& spec);

// Those that would have a say beside a vocabulary in the folder.
std::vector<TokenizerFile> read_files_beside(const Path& folder);

// Whether the folder holds a vocabulary.
bool holds_tokenizer(const Path& folder);

// Every file of a tokenizer that the folder holds, whether or not it would be
// read, and those that say how the model is spoken to (chat_template.jinja,
// generation_config.json), text by name: what a copy of a model takes along.
std::map<std::string, std::string> tokenizer_files_in(const Path& folder);

std::map<std::string, std::string> texts_by_name(
    std::vector<TokenizerFile> files);

}  // namespace dure::data
