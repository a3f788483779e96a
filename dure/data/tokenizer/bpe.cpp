#include "dure/data/tokenizer/bpe.h"

#include <algorithm>
#include <cstddef>
#include <fmt/core.h>
#include <functional>
#include <iterator>
#include <utility>

#include "dure/data/tokenizer/code_points.h"

namespace dure::data {
namespace {

// Up to this length a scan for the lowest rank, a few vector instructions,
// beats a heap: the scans of 100 symbols cost about 2 us, and so does the heap.
constexpr std::size_t kShort = 100;

}  // namespace

Bpe::Bpe(const BpeModel& model)
    : bytes_(model.bytes),
      characters_(model.characters),
      whole_words_(model.whole_words) {
  std::uint32_t rank = 0;
  for (const BpeMerge& merge : model.merges) {
    targets_(merge.left, merge.right) = {rank++, merge.result};
  }
  if (!characters_ && whole_words_ == BpeModel::WholeWords::kMerged) {
    return;
  }
  for (std::size_t id = 0; id < model.tokens.size(); ++id) {
    const std::string& token = model.tokens[id];
    if (token.empty()) {
      continue;
    }
    ids_.emplace(token, static_cast<std::int32_t>(id));
    const Character c = characters_ ? character_at(token, 0) : Character{};
    if (c.bytes == token.size()) {
      by_code_.resize(std::max<std::size_t>(by_code_.size(), c.code + 1), -1);
      by_code_[c.code] = static_cast<std::int32_t>(id);
    }
  }
}

std::uint32_t Bpe::rank(std::int32_t left, std::int32_t right) const {
  const Target* target = targets_.find(left, right);
  return target == nullptr ? kNone : target->rank;
}

const std::vector<std::int32_t>& Bpe::encode(std::string_view word,
                                             Scratch& scratch) const {
  std::vector<std::int32_t>& symbols = scratch.symbols;
  symbols.clear();
  if (whole_words_ == BpeModel::WholeWords::kDirect) {
    const auto found = ids_.find(std::string(word));
    if (found != ids_.end()) {
      symbols.push_back(found->second);
      return symbols;
    }
  }
  if (characters_) {
    begin_with_characters(word, symbols);
  } else {
    for (const char c : word) {
      symbols.push_back(bytes_[static_cast<unsigned char>(c)]);
    }
  }
  if (symbols.size() <= kShort) {
    merge_short(scratch);
  } else {
    merge_long(scratch);
  }
  return symbols;
}

// The form of a character in the vocabulary.
std::string Bpe::written(std::string_view word,
                         std::size_t at,
                         std::size_t bytes) const {
  return fmt::format("{}{}{}",
                     at > 0 ? characters_->prefix : "",
                     word.substr(at, bytes),
                     at + bytes == word.size() ? characters_->suffix : "");
}

// The token of a character; -1 if it has none.
std::int32_t Bpe::symbol(std::string_view word,
                         std::size_t at,
                         const Character& c) const {
  if (characters_->prefix.empty() && characters_->suffix.empty()) {
    return c.code < by_code_.size() ? by_code_[c.code] : -1;
  }
  const auto found = ids_.find(written(word, at, c.bytes));
  return found == ids_.end() ? -1 : found->second;
}

// Appends the tokens of the bytes, if all have one.
bool Bpe::add_bytes(std::string_view bytes,
                    std::vector<std::int32_t>& symbols) const {
  const auto id_of = [&](char c) {
    return characters_->bytes[static_cast<unsigned char>(c)];
  };
  if (!std::all_of(
          bytes.begin(), bytes.end(), [&](char c) { return id_of(c) >= 0; })) {
    return false;
  }
  std::transform(
      bytes.begin(), bytes.end(), std::back_inserter(symbols), id_of);
  return true;
}

// An unknown character waits for the next, which may be fused with it. Like in
// Hugging Face's, a character that becomes bytes does not end the waiting.
void Bpe::begin_with_characters(std::string_view word,
                                std::vector<std::int32_t>& symbols) const {
  bool unknown_waits = false;
  const auto end_waiting = [&] {
    if (std::exchange(unknown_waits, false)) {
      symbols.push_back(*characters_->unknown);
    }
  };
  for (std::size_t at = 0; at < word.size();) {
    const Character c = character_at(word, at);
    const std::int32_t id = symbol(word, at, c);
    if (id >= 0) {
      end_waiting();
      symbols.push_back(id);
    } else if (!add_bytes(written(word, at, c.bytes), symbols) &&
               characters_->unknown) {
      if (characters_->unknown_run == CharacterSymbols::Unknown::kEach) {
        end_waiting();
      }
      unknown_waits = true;
    }
    at += c.bytes;
  }
  end_waiting();
}

// ranks[i] is the rank of symbols i and i + 1.
void Bpe::merge_short(Scratch& s) const {
  std::vector<std::int32_t>& symbols = s.symbols;
  s.ranks.clear();
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
    s.ranks.push_back(rank(symbols[i], symbols[i + 1]));
  }
  while (!s.ranks.empty()) {
    const auto lowest = std::min_element(s.ranks.begin(), s.ranks.end());
    if (*lowest == kNone) {
      return;
    }
    const auto i = static_cast<std::size_t>(lowest - s.ranks.begin());
    symbols[i] = targets_.find(symbols[i], symbols[i + 1])->id;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    s.ranks.erase(lowest);
    if (i > 0) {
      s.ranks[i - 1] = rank(symbols[i - 1], symbols[i]);
    }
    if (i < s.ranks.size()) {
      s.ranks[i] = rank(symbols[i], symbols[i + 1]);
    }
  }
}

// Puts the merge of the symbol at `at` and its right neighbour on the heap.
void Bpe::push(std::int32_t at, Scratch& s) const {
  const std::int32_t next = s.links[at][1];
  if (next < 0) {
    return;
  }
  const std::uint32_t r = rank(s.symbols[at], s.symbols[next]);
  if (r != kNone) {
    s.heap.push_back(static_cast<std::int64_t>(r) << 32 | at);
    std::push_heap(s.heap.begin(), s.heap.end(), std::greater<>());
  }
}

// Symbols are a linked list in place (-1: merged away, or no neighbour). The
// heap has pairs (rank, place); an entry whose pair has changed since is
// skipped.
void Bpe::merge_long(Scratch& s) const {
  const auto n = static_cast<std::int32_t>(s.symbols.size());
  s.heap.clear();
  s.links.resize(s.symbols.size());
  for (std::int32_t i = 0; i < n; ++i) {
    s.links[i] = {i - 1, i + 1 < n ? i + 1 : -1};
  }
  for (std::int32_t i = 0; i < n; ++i) {
    push(i, s);
  }
  while (!s.heap.empty()) {
    std::pop_heap(s.heap.begin(), s.heap.end(), std::greater<>());
    const std::int64_t entry = s.heap.back();
    s.heap.pop_back();
    const auto at = static_cast<std::int32_t>(entry & 0xffffffff);
    const std::int32_t next = s.links[at][1];
    if (s.symbols[at] < 0 || next < 0 ||
        rank(s.symbols[at], s.symbols[next]) != entry >> 32) {
      continue;
    }
    s.symbols[at] = targets_.find(s.symbols[at], s.symbols[next])->id;
    s.symbols[next] = -1;
    s.links[at][1] = s.links[next][1];
    if (s.links[at][1] >= 0) {
      s.links[s.links[at][1]][0] = at;
    }
    push(at, s);
    if (s.links[at][0] >= 0) {
      push(s.links[at][0], s);
    }
  }
  std::erase(s.symbols, -1);
}

}  // namespace dure::data
