#include "dure/data/tokenizer/pipeline_tokenizer.h"

#include <algorithm>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/utf8.h"
#include "dure/data/tokenizer/word_cache.h"

namespace dure::data {
namespace {

using Model = std::variant<Bpe, Unigram>;

Model make_model(const TokenizerParts& parts) {
  if (const auto* unigram = std::get_if<UnigramModel>(&parts.model)) {
    return Unigram(*unigram);
  }
  return Bpe(std::get<BpeModel>(parts.model));
}

std::string kind_of(const TokenizerParts& parts) {
  return parts.is_byte_level()                               ? "byte-level BPE"
         : std::holds_alternative<UnigramModel>(parts.model) ? "Unigram"
                                                             : "BPE";
}

// Whether all steps accept any bytes.
bool keeps_bytes(const TokenizerParts& parts) {
  return parts.is_byte_level() && parts.normalizer.empty() &&
         std::none_of(parts.added.begin(),
                      parts.added.end(),
                      [](const AddedToken& t) { return t.single_word; });
}

// Calls between(text, at) for the text between the tokens.
template <typename Between>
void encode_around(const std::optional<AddedTokens>& tokens,
                   std::string_view text,
                   PieceAt at,
                   std::vector<std::int32_t>& ids,
                   const Between& between) {
  const auto piece = [&](std::size_t begin, std::size_t end) {
    if (begin < end) {
      between(text.substr(begin, end - begin),
              begin == 0 ? at : PieceAt::kLater);
    }
  };
  std::size_t from = 0;
  if (tokens) {
    for (const AddedTokens::Found& found : tokens->find_all(text)) {
      piece(from, found.begin);
      ids.push_back(found.id);
      from = found.end;
    }
  }
  piece(from, text.size());
}

}  // namespace

const std::vector<std::string>& TokenizerParts::tokens() const {
  return std::visit(
      [](const auto& m) -> const std::vector<std::string>& { return m.tokens; },
      model);
}

bool TokenizerParts::is_byte_level() const {
  const auto* bpe = std::get_if<BpeModel>(&model);
  return bpe != nullptr && !bpe->characters;
}

struct PipelineTokenizer::Workspace {
  SplitScratch split;
  Bpe::Scratch bpe;
  Unigram::Scratch unigram;
  WordCache cache;
};

// A workspace for the duration of a call.
class PipelineTokenizer::Lease {
 public:
  explicit Lease(const PipelineTokenizer& owner) : owner_(owner) {
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
  const PipelineTokenizer& owner_;
  std::unique_ptr<Workspace> work_;
};

PipelineTokenizer::PipelineTokenizer(const TokenizerParts& parts)
    : normalizer_(parts.normalizer),
      splitter_(parts.pieces),
      model_(make_model(parts)),
      tokens_(parts.tokens()),
      beginning_(parts.beginning_of_document),
      end_(parts.end_of_document),
      kind_(kind_of(parts)) {
  if (!parts.is_byte_level()) {
    decoder_.emplace(parts.decoder);
  }
  if (keeps_bytes(parts)) {
    broken_ = Broken::kKept;
  }
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    ids_.emplace(tokens_[id], static_cast<std::int32_t>(id));
  }
  add(parts.added);
}

PipelineTokenizer::~PipelineTokenizer() = default;

// Normalized tokens are searched in normalized text, and are decoded to their
// normalized form.
void PipelineTokenizer::add(const std::vector<AddedToken>& added) {
  SplitScratch scratch;
  std::vector<AddedToken> as_is;
  std::vector<AddedToken> normalized;
  for (AddedToken token : added) {
    ids_[token.text] = token.id;
    if (token.normalized) {
      token.text = normalizer_(token.text, scratch);
      DURE_CHECK(!token.text.empty(),
                 "the added token with id {} is nothing after the normalizer: "
                 "have \"normalized\": false with it",
                 token.id);
    }
    const auto at = static_cast<std::size_t>(token.id);
    tokens_.resize(std::max(tokens_.size(), at + 1));
    tokens_[at] = token.text;
    (token.normalized ? normalized : as_is).push_back(std::move(token));
  }
  if (!as_is.empty()) {
    added_.emplace(as_is);
  }
  if (!normalized.empty()) {
    normalized_added_.emplace(normalized);
  }
}

void PipelineTokenizer::encode(std::string_view text, Ids& ids) const {
  if (broken_ == Broken::kRepaired && valid_utf8_prefix(text) < text.size()) {
    encode(RepairedText(text).text(), ids);
    return;
  }
  Lease lease(*this);
  Workspace& work = *lease;
  encode_around(added_,
                text,
                PieceAt::kBeginning,
                ids,
                [&](std::string_view piece, PieceAt at) {
                  encode_normalized(piece, at, work, ids);
                });
}

void PipelineTokenizer::encode_normalized(std::string_view text,
                                          PieceAt at,
                                          Workspace& work,
                                          Ids& ids) const {
  std::string normal;
  if (!normalizer_.empty()) {
    normal = normalizer_(text, work.split);
    if (at == PieceAt::kBeginning && splitter_.asks_for_beginning() &&
        !normalizer_.keeps_beginning(text, work.split)) {
      at = PieceAt::kLater;
    }
    text = normal;
  }
  encode_around(normalized_added_,
                text,
                at,
                ids,
                [&](std::string_view piece, PieceAt piece_at) {
                  encode_plain(piece, piece_at, work, ids);
                });
}

void PipelineTokenizer::encode_plain(std::string_view text,
                                     PieceAt at,
                                     Workspace& work,
                                     Ids& ids) const {
  splitter_.for_each(text, at, work.split, [&](std::string_view word) {
    encode_word(word, work, ids);
  });
}

void PipelineTokenizer::encode_word(std::string_view word,
                                    Workspace& work,
                                    Ids& ids) const {
  if (!WordCache::fits(word)) {
    const Ids& found = encode_anew(word, work);
    ids.insert(ids.end(), found.begin(), found.end());
    return;
  }
  const WordCache::Key key = WordCache::key(word);
  WordCache::Entry& entry = work.cache.at(key);
  if (entry.holds(key)) {
    ids.insert(ids.end(), entry.ids.begin(), entry.ids.begin() + entry.count);
    return;
  }
  const Ids& found = encode_anew(word, work);
  WordCache::keep(entry, key, found);
  ids.insert(ids.end(), found.begin(), found.end());
}

const PipelineTokenizer::Ids& PipelineTokenizer::encode_anew(
    std::string_view word, Workspace& work) const {
  if (const auto* bpe = std::get_if<Bpe>(&model_)) {
    return bpe->encode(word, work.bpe);
  }
  return std::get<Unigram>(model_).encode(word, work.unigram);
}

const std::string& PipelineTokenizer::token(std::int32_t id) const {
  DURE_CHECK(id >= 0 && id < vocabulary(),
             "token id {} is outside the vocabulary of {}",
             id,
             vocabulary());
  const std::string& text = tokens_[id];
  DURE_CHECK(!text.empty(), "token id {} has no token in the vocabulary", id);
  return text;
}

std::vector<std::string_view> PipelineTokenizer::tokens(
    std::span<const std::int32_t> ids) const {
  std::vector<std::string_view> texts;
  texts.reserve(ids.size());
  for (const std::int32_t id : ids) {
    texts.emplace_back(token(id));
  }
  return texts;
}

std::string PipelineTokenizer::decode(std::span<const std::int32_t> ids) const {
  if (decoder_) {
    return decoder_->decode(tokens(ids));
  }
  std::string text;
  for (const std::int32_t id : ids) {
    text += token(id);
  }
  return text;
}

std::size_t PipelineTokenizer::certain_bytes(std::span<const std::int32_t> ids,
                                             std::string_view text) const {
  return decoder_ ? decoder_->certain_bytes(tokens(ids))
                  : Tokenizer::certain_bytes(ids, text);
}

std::string PipelineTokenizer::token_text(std::int32_t id) const {
  return decoder_ ? decoder_->inside(token(id)) : token(id);
}

std::optional<std::int32_t> PipelineTokenizer::id_of(
    std::string_view text) const {
  const auto found = ids_.find(std::string(text));
  if (found == ids_.end() || text.empty()) {
    return std::nullopt;
  }
  return found->second;
}

}  // namespace dure::data
