#include "dure/data/tokenizer/byte_level_tokenizer.h"

#include <algorithm>
#include <utility>

#include "dure/base/check.h"
#include "dure/data/tokenizer/word_cache.h"

namespace dure::data {
namespace {

std::vector<SplitPattern> compile_all(const std::vector<std::string>& texts) {
  std::vector<SplitPattern> patterns;
  for (const std::string& text : texts) {
    patterns.emplace_back(text);
  }
  return patterns;
}

// Those that aren't normalized first, then those that are.
std::vector<AddedTokens> passes(const std::vector<AddedToken>& added) {
  std::vector<AddedTokens> result;
  for (const bool normalized : {false, true}) {
    std::vector<AddedToken> some;
    std::copy_if(added.begin(),
                 added.end(),
                 std::back_inserter(some),
                 [&](const auto& t) { return t.normalized == normalized; });
    if (!some.empty()) {
      result.emplace_back(std::move(some));
    }
  }
  return result;
}

}  // namespace

struct ByteLevelTokenizer::Workspace {
  SplitScratch split;
  Bpe::Scratch bpe;
  WordCache cache;
};

// A workspace for the length of a call.
class ByteLevelTokenizer::Lease {
 public:
  explicit Lease(const ByteLevelTokenizer& owner) : owner_(owner) {
    {
      const std::lock_guard lock(owner_.idle_mutex_);
      if (!owner_.idle_.empty()) {
        work_ = std::move(owner_.idle_.back());
        owner_.idle_.pop_back();
      }
    }
    if (work_ == nullptr) {
      work_ = std::make_unique<Workspace>();
    }
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() {
    const std::lock_guard lock(owner_.idle_mutex_);
    owner_.idle_.push_back(std::move(work_));
  }

  Workspace& operator*() { return *work_; }

 private:
  const ByteLevelTokenizer& owner_;
  std::unique_ptr<Workspace> work_;
};

ByteLevelTokenizer::ByteLevelTokenizer(const ByteLevelParts& parts)
    : bpe_(parts.model, parts.whole_words),
      splitter_(compile_all(parts.patterns)),
      prefix_space_(parts.prefix_space),
      added_(passes(parts.added)),
      tokens_(parts.model.tokens),
      beginning_(parts.beginning_of_document),
      end_(parts.end_of_document) {
  for (const AddedToken& token : parts.added) {
    const auto at = static_cast<std::size_t>(token.id);
    tokens_.resize(std::max(tokens_.size(), at + 1));
    tokens_[at] = token.text;
  }
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    ids_.emplace(tokens_[id], static_cast<std::int32_t>(id));
  }
}

ByteLevelTokenizer::~ByteLevelTokenizer() = default;

void ByteLevelTokenizer::encode(std::string_view text, Ids& ids) const {
  Lease work(*this);
  encode_between(added_, 0, text, *work, ids);
}

void ByteLevelTokenizer::encode_between(const std::vector<AddedTokens>& passes,
                                        std::size_t pass,
                                        std::string_view text,
                                        Workspace& work,
                                        Ids& ids) const {
  if (pass == passes.size()) {
    encode_plain(text, work, ids);
    return;
  }
  std::size_t from = 0;
  while (const auto found = passes[pass].find(text, from)) {
    encode_between(
        passes, pass + 1, text.substr(from, found->begin - from), work, ids);
    ids.push_back(found->id);
    from = found->end;
  }
  encode_between(passes, pass + 1, text.substr(from), work, ids);
}

void ByteLevelTokenizer::encode_plain(std::string_view text,
                                      Workspace& work,
                                      Ids& ids) const {
  if (text.empty()) {
    return;
  }
  const auto word = [&](std::string_view w) { encode_word(w, work, ids); };
  if (prefix_space_ == ByteLevelParts::PrefixSpace::kAdded && text[0] != ' ') {
    const std::string prefixed = concat(" ", text);
    splitter_.for_each(prefixed, work.split, word);
  } else {
    splitter_.for_each(text, work.split, word);
  }
}

void ByteLevelTokenizer::encode_word(std::string_view word,
                                     Workspace& work,
                                     Ids& ids) const {
  if (!WordCache::fits(word)) {
    const Ids& found = bpe_.encode(word, work.bpe);
    ids.insert(ids.end(), found.begin(), found.end());
    return;
  }
  const WordCache::Key key = WordCache::key(word);
  WordCache::Entry& entry = work.cache.at(key);
  if (entry.holds(key)) {
    ids.insert(ids.end(), entry.ids.begin(), entry.ids.begin() + entry.count);
    return;
  }
  const Ids& found = bpe_.encode(word, work.bpe);
  WordCache::keep(entry, key, found);
  ids.insert(ids.end(), found.begin(), found.end());
}

const std::string& ByteLevelTokenizer::token(std::int32_t id) const {
  DURE_CHECK(id >= 0 && id < vocabulary(),
             "token id ",
             id,
             " is outside the vocabulary of ",
             vocabulary());
  const std::string& text = tokens_[static_cast<std::size_t>(id)];
  DURE_CHECK(!text.empty(), "token id ", id, " has no token in the vocabulary");
  return text;
}

std::string ByteLevelTokenizer::decode(
    std::span<const std::int32_t> ids) const {
  std::string text;
  for (const std::int32_t id : ids) {
    text += token(id);
  }
  return text;
}

std::string ByteLevelTokenizer::token_text(std::int32_t id) const {
  return token(id);
}

std::optional<std::int32_t> ByteLevelTokenizer::id_of(
    std::string_view text) const {
  const auto found = ids_.find(std::string(text));
  if (found == ids_.end() || text.empty()) {
    return std::nullopt;
  }
  return found->second;
}

}  // namespace dure::data
