// Byte-level BPE, GPT-2's and Llama 3's kind.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "dure/data/tokenizer/added_tokens.h"
#include "dure/data/tokenizer/bpe.h"
#include "dure/data/tokenizer/splitter.h"
#include "dure/data/tokenizer/tokenizer.h"

namespace dure::data {

// Everything that makes such a tokenizer, as loaders and the trainer give it.
struct ByteLevelParts {
  enum class PrefixSpace { kNone, kAdded };

  BpeModel model;
  Bpe::WholeWords whole_words = Bpe::WholeWords::kMerged;
  std::vector<std::string> patterns = {std::string(kGpt2Pattern)};
  PrefixSpace prefix_space = PrefixSpace::kNone;
  std::vector<AddedToken> added;
  std::optional<std::int32_t> beginning_of_document;
  std::optional<std::int32_t> end_of_document;
};

// decode(encode(bytes)) == bytes for any bytes, unless a prefix space is added
// or a special token swallows spaces.
class ByteLevelTokenizer : public Tokenizer {
 public:
  explicit ByteLevelTokenizer(const ByteLevelParts& parts);
  ~ByteLevelTokenizer() override;

  using Tokenizer::encode;
  void encode(std::string_view text,
              std::vector<std::int32_t>& ids) const override;
  std::string decode(std::span<const std::int32_t> ids) const override;
  std::string token_text(std::int32_t id) const override;
  std::int64_t vocabulary() const override {
    return static_cast<std::int64_t>(tokens_.size());
  }
  bool has_token(std::int32_t id) const override {
    return id >= 0 && id < vocabulary() &&
           !tokens_[static_cast<std::size_t>(id)].empty();
  }
  std::optional<std::int32_t> beginning_of_document() const override {
    return beginning_;
  }
  std::optional<std::int32_t> end_of_document() const override { return end_; }
  std::optional<std::int32_t> id_of(std::string_view token) const override;
  std::string kind() const override { return "byte-level BPE"; }

 private:
  struct Workspace;
  class Lease;
  using Ids = std::vector<std::int32_t>;

  const std::string& token(std::int32_t id) const;
  void encode_between(const std::vector<AddedTokens>& passes,
                      std::size_t pass,
                      std::string_view text,
                      Workspace& work,
                      Ids& ids) const;
  void encode_plain(std::string_view text, Workspace& work, Ids& ids) const;
  void encode_word(std::string_view word, Workspace& work, Ids& ids) const;

  Bpe bpe_;
  Splitter splitter_;
  ByteLevelParts::PrefixSpace prefix_space_;
  std::vector<AddedTokens> added_;  // looked for one set after the other
  std::vector<std::string> tokens_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::optional<std::int32_t> beginning_;
  std::optional<std::int32_t> end_;

  // Caches and scratch that no call is using: as many as there were threads.
  mutable std::mutex idle_mutex_;
  mutable std::vector<std::unique_ptr<Workspace>> idle_;
};

}  // namespace dure::data
