// The tokenizers of Hugging Face's files: a text is normalized and cut into
// words, and a model encodes each word: byte-level BPE, BPE or Unigram.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "dure/data/tokenizer/added_tokens.h"
#include "dure/data/tokenizer/bpe.h"
#include "dure/data/tokenizer/normalizer.h"
#include "dure/data/tokenizer/splitter.h"
#include "dure/data/tokenizer/token_decoder.h"
#include "dure/data/tokenizer/tokenizer.h"
#include "dure/data/tokenizer/unigram.h"

namespace dure::data {

// All parts of such a tokenizer, as loaders and the trainer make them.
struct TokenizerParts {
  NormalizerSteps normalizer;
  PieceSteps pieces;
  std::variant<BpeModel, UnigramModel> model;
  DecoderSteps decoder;  // not for byte-level BPE, whose tokens are bytes
  std::vector<AddedToken> added;
  std::optional<std::int32_t> beginning_of_document;
  std::optional<std::int32_t> end_of_document;

  // The model's tokens by id: bytes for byte-level BPE, else as in the file.
  const std::vector<std::string>& tokens() const;

  // Whether its model is BPE on bytes.
  bool is_byte_level() const;
};

// Byte-level BPE without a normalizer preserves any bytes, decode(encode(x)) ==
// x, unless a prefix space is added or a special token swallows spaces. All
// others read broken UTF-8 as U+FFFD.
class PipelineTokenizer : public Tokenizer {
 public:
  explicit PipelineTokenizer(const TokenizerParts& parts);
  ~PipelineTokenizer() override;

  using Tokenizer::encode;
  void encode(std::string_view text,
              std::vector<std::int32_t>& ids) const override;
  std::string decode(std::span<const std::int32_t> ids) const override;
  std::size_t certain_bytes(std::span<const std::int32_t> ids,
                            std::string_view text) const override;
  std::string token_text(std::int32_t id) const override;
  std::int64_t vocabulary() const override {
    return static_cast<std::int64_t>(tokens_.size());
  }
  bool has_token(std::int32_t id) const override {
    return id >= 0 && id < vocabulary() && !tokens_[id].empty();
  }
  std::optional<std::int32_t> beginning_of_document() const override {
    return beginning_;
  }
  std::optional<std::int32_t> end_of_document() const override { return end_; }
  std::optional<std::int32_t> id_of(std::string_view token) const override;
  std::string kind() const override { return kind_; }

 private:
  struct Workspace;
  class Lease;
  using Ids = std::vector<std::int32_t>;
  using Model = std::variant<Bpe, Unigram>;

  // Whether broken UTF-8 is kept or repaired.
  enum class Broken { kKept, kRepaired };

  void add(const std::vector<AddedToken>& added);
  const std::string& token(std::int32_t id) const;
  std::vector<std::string_view> tokens(std::span<const std::int32_t> ids) const;
  void encode_normalized(std::string_view text,
                         PieceAt at,
                         Workspace& work,
                         Ids& ids) const;
  void encode_plain(std::string_view text,
                    PieceAt at,
                    Workspace& work,
                    Ids& ids) const;
  void encode_word(std::string_view word, Workspace& work, Ids& ids) const;
  const Ids& encode_anew(std::string_view word, Workspace& work) const;

  Broken broken_ = Broken::kRepaired;
  Normalizer normalizer_;
  Splitter splitter_;
  Model model_;
  std::optional<TokenDecoder> decoder_;  // none where tokens are bytes
  std::optional<AddedTokens> added_;     // looked for in the text as it is
  std::optional<AddedTokens> normalized_added_;
  std::vector<std::string> tokens_;  // as they are decoded
  std::unordered_map<std::string, std::int32_t> ids_;
  std::optional<std::int32_t> beginning_;
  std::optional<std::int32_t> end_;
  std::string kind_;

  // Caches and scratch that no call is using, as many as there were threads at
  // once.
  mutable std::mutex idle_mutex_;
  mutable std::vector<std::unique_ptr<Workspace>> idle_;
};

}  // namespace dure::data
