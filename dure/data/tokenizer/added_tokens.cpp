#include "dure/data/tokenizer/added_tokens.h"

#include <algorithm>
#include <utility>

namespace dure::data {
namespace {

// The white space that tokens swallow: Unicode's White_Space.
constexpr std::array<std::string_view, 25> kSpaces = {
    "\t",           "\n",           "\v",
    "\f",           "\r",           " ",
    "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80",
    "\xe2\x80\x80", "\xe2\x80\x81", "\xe2\x80\x82",
    "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85",
    "\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88",
    "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
    "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f",
    "\xe3\x80\x80"};

std::size_t space_before(std::string_view text) {
  for (const std::string_view space : kSpaces) {
    if (text.ends_with(space)) {
      return space.size();
    }
  }
  return 0;
}

std::size_t space_after(std::string_view text) {
  for (const std::string_view space : kSpaces) {
    if (text.starts_with(space)) {
      return space.size();
    }
  }
  return 0;
}

AddedTokens::Found widened(std::string_view text,
                           std::size_t from,
                           std::size_t at,
                           const AddedToken& token) {
  AddedTokens::Found found{at, at + token.text.size(), token.id};
  while (token.strip_left) {
    const auto n = space_before(text.substr(from, found.begin - from));
    if (n == 0) {
      break;
    }
    found.begin -= n;
  }
  while (token.strip_right) {
    const auto n = space_after(text.substr(found.end));
    if (n == 0) {
      break;
    }
    found.end += n;
  }
  return found;
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens)
    : tokens_(std::move(tokens)) {
  std::stable_sort(tokens_.begin(),
                   tokens_.end(),
                   [](const AddedToken& a, const AddedToken& b) {
                     return a.text.size() > b.text.size();
                   });
  for (const AddedToken& token : tokens_) {
    const auto first = static_cast<unsigned char>(token.text[0]);
    if (!begins_[first]) {
      begins_[first] = true;
      first_bytes_ += token.text[0];
    }
  }
}

std::optional<AddedTokens::Found> AddedTokens::find(std::string_view text,
                                                    std::size_t from) const {
  const bool one_byte = first_bytes_.size() == 1;
  for (std::size_t at = from; at < text.size(); ++at) {
    if (one_byte) {  // as in most vocabularies: "<"
      at = std::min(text.find(first_bytes_[0], at), text.size());
    }
    if (at == text.size() || !begins_[static_cast<unsigned char>(text[at])]) {
      continue;
    }
    for (const AddedToken& token : tokens_) {
      if (text.compare(at, token.text.size(), token.text) == 0) {
        return widened(text, from, at, token);
      }
    }
  }
  return std::nullopt;
}

}  // namespace dure::data
