#include "dure/data/tokenizer/added_tokens.h"

#include <algorithm>
#include <functional>

#include "dure/data/tokenizer/code_points.h"

namespace dure::data {
namespace {

// Whether the token is a word by itself at that place.
bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  std::size_t last = begin;  // where the character before it begins
  while (last > 0 &&
         (static_cast<unsigned char>(text[--last]) & 0xc0) == 0x80) {
  }
  return (begin == 0 || !is_word_character(character_at(text, last).code)) &&
         (end == text.size() ||
          !is_word_character(character_at(text, end).code));
}

// The token with the white space that it swallows. White space before `from` is
// taken already.
AddedTokens::Found widened(std::string_view text,
                           std::size_t from,
                           std::size_t at,
                           const AddedToken& token) {
  AddedTokens::Found found{at, at + token.text.size(), token.id};
  if (token.strip_left) {
    const std::size_t begin = at - spaces_at_end(text.substr(0, at));
    found.begin = std::max(begin, from);
  }
  if (token.strip_right) {
    found.end += spaces_at_begin(text.substr(found.end));
  }
  return found;
}

}  // namespace

AddedTokens::AddedTokens(const std::vector<AddedToken>& tokens) {
  for (const AddedToken& token : tokens) {
    tokens_.emplace(token.text, token);
    lengths_.push_back(token.text.size());
    const auto first = static_cast<unsigned char>(token.text[0]);
    if (!begins_[first]) {
      begins_[first] = true;
      first_bytes_ += token.text[0];
    }
  }
  std::sort(lengths_.begin(), lengths_.end(), std::greater<>());
  lengths_.erase(std::unique(lengths_.begin(), lengths_.end()), lengths_.end());
}

std::vector<AddedTokens::Found> AddedTokens::find_all(
    std::string_view text) const {
  std::vector<Found> all;
  std::size_t from = 0;  // the end of the last, with its white space
  for (std::size_t at = next_begin(text, 0); at < text.size();) {
    const AddedToken* token = longest_at(text, at);
    if (token == nullptr) {
      at = next_begin(text, at + 1);
      continue;
    }
    const std::size_t end = at + token->text.size();
    if (!token->single_word || stands_alone(text, at, end)) {
      all.push_back(widened(text, from, at, *token));
      from = all.back().end;
    }
    at = next_begin(text, end);
  }
  return all;
}

const AddedToken* AddedTokens::longest_at(std::string_view text,
                                          std::size_t at) const {
  for (const std::size_t length : lengths_) {
    if (at + length <= text.size()) {
      const auto found = tokens_.find(std::string(text.substr(at, length)));
      if (found != tokens_.end()) {
        return &found->second;
      }
    }
  }
  return nullptr;
}

// The first place at or after `at` where a token may begin.
std::size_t AddedTokens::next_begin(std::string_view text,
                                    std::size_t at) const {
  if (first_bytes_.size() == 1) {  // as in most vocabularies: "<"
    return std::min(text.find(first_bytes_[0], at), text.size());
  }
  while (at < text.size() && !begins_[static_cast<unsigned char>(text[at])]) {
    ++at;
  }
  return at;
}

}  // namespace dure::data
