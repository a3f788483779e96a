#include "dure/data/tokenizer/unigram.h"

#include <algorithm>
#include <iterator>

#include "dure/data/tokenizer/code_points.h"

namespace dure::data {
namespace {

// How far an unknown character is below the least score: SentencePiece's
// constant.
constexpr double kUnknownPenalty = 10.0;

}  // namespace

Unigram::Unigram(const UnigramModel& model)
    : token_at_(1, -1),
      scores_(model.scores),
      unknown_(model.unknown),
      bytes_(model.bytes) {
  for (std::size_t id = 0; id < model.tokens.size(); ++id) {
    add_token(model.tokens[id], static_cast<std::int32_t>(id));
  }
  unknown_score_ =
      *std::min_element(scores_.begin(), scores_.end()) - kUnknownPenalty;
}

// If several tokens have one text, the last one is found.
void Unigram::add_token(const std::string& token, std::int32_t id) {
  ids_[token] = id;
  std::int32_t node = 0;
  for (const char c : token) {
    std::int32_t& child = children_(node, static_cast<unsigned char>(c));
    if (child == 0) {
      child = static_cast<std::int32_t>(token_at_.size());
      token_at_.push_back(-1);
    }
    node = child;
  }
  token_at_[node] = id;
}

const std::vector<std::int32_t>& Unigram::encode(std::string_view word,
                                                 Scratch& scratch) const {
  scratch.ids.clear();
  find_best_path(word, scratch);
  scratch.ends.clear();
  for (std::size_t end = word.size(); end > 0;
       end = static_cast<std::size_t>(scratch.best[end].begin)) {
    scratch.ends.push_back(end);
  }
  std::size_t unknown_from = 0;  // the end of the last token that is known
  std::size_t begin = 0;
  for (auto end = scratch.ends.rbegin(); end != scratch.ends.rend(); ++end) {
    const std::int32_t id = scratch.best[*end].id;
    if (id != unknown_) {
      add_unknown(word.substr(unknown_from, begin - unknown_from), scratch.ids);
      scratch.ids.push_back(id);
      unknown_from = *end;
    }
    begin = *end;
  }
  add_unknown(word.substr(unknown_from), scratch.ids);
  return scratch.ids;
}

void Unigram::find_best_path(std::string_view word, Scratch& scratch) const {
  scratch.best.assign(word.size() + 1, {0.0, -1, 0});
  const auto offer =
      [&](std::size_t begin, std::size_t end, double score, std::int32_t id) {
        Scratch::Best& best = scratch.best[end];
        const double sum = score + scratch.best[begin].score;
        if (best.begin < 0 || sum > best.score) {
          best = {sum, static_cast<std::int64_t>(begin), id};
        }
      };
  for (std::size_t begin = 0; begin < word.size();) {
    const std::size_t character = character_at(word, begin).bytes;
    bool is_known = false;
    std::int32_t node = 0;
    for (std::size_t at = begin; at < word.size(); ++at) {
      const std::int32_t* child =
          children_.find(node, static_cast<unsigned char>(word[at]));
      if (child == nullptr) {
        break;
      }
      node = *child;
      const std::int32_t id = token_at_[node];
      if (id >= 0) {
        offer(begin, at + 1, scores_[id], id);
        is_known = is_known || at + 1 == begin + character;
      }
    }
    if (!is_known) {
      offer(begin, begin + character, unknown_score_, unknown_);
    }
    begin += character;
  }
}

// A run of unknown characters may still be a token, one with a low score.
void Unigram::add_unknown(std::string_view text,
                          std::vector<std::int32_t>& ids) const {
  if (text.empty()) {
    return;
  }
  const auto found = ids_.find(std::string(text));
  if (found != ids_.end()) {
    ids.push_back(found->second);
    return;
  }
  const auto id_of = [&](char c) {
    return bytes_[static_cast<unsigned char>(c)];
  };
  if (std::all_of(
          text.begin(), text.end(), [&](char c) { return id_of(c) >= 0; })) {
    std::transform(text.begin(), text.end(), std::back_inserter(ids), id_of);
  } else {
    ids.push_back(unknown_);
  }
}

}  // namespace dure::data
