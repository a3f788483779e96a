// The files of a tokenizer.
//
// A tokenizer is read in two steps: first all of its files, then their
// contents. Only these files count in the second step, so a copy of them is a
// copy of the tokenizer.
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

// The files that load_tokenizer()'s argument names: the file or pair of files
// with the vocabulary first, then the files beside it that describe its tokens
// (tokenizer_config.json, special_tokens_map.json, added_tokens.json), if there
// are any. A folder with them under their names is the same tokenizer. Empty
// for "bytes". Throws Error for a file that is missing or can't be read.
std::vector<TokenizerFile> read_tokenizer_files(const std::string& spec);

// The files of the folder that would count beside a vocabulary.
std::vector<TokenizerFile> read_files_beside(const Path& folder);

// Whether the folder holds a vocabulary.
bool holds_tokenizer(const Path& folder);

// Every file of a tokenizer that the folder holds, whether or not it would be
// read, and the files on how to talk to the model (chat_template.jinja,
// generation_config.json): text by name. A copy of a model takes them along.
std::map<std::string, std::string> tokenizer_files_in(const Path& folder);

std::map<std::string, std::string> texts_by_name(
    std::vector<TokenizerFile> files);

}  // namespace dure::data
