// A tokenizer: text to ids and back.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dure::data {

// Everything is const and safe from any thread; the threads share the object.
class Tokenizer {
 public:
  Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;
  virtual ~Tokenizer() = default;

  // Appends the ids of `text`, which may hold any bytes. Special tokens in the
  // text become their ids; nothing is added at either end.
  virtual void encode(std::string_view text,
                      std::vector<std::int32_t>& ids) const = 0;

  // The bytes of the ids, special tokens included. They need not be whole
  // characters. Throws Error for an id outside the vocabulary.
  virtual std::string decode(std::span<const std::int32_t> ids) const = 0;

  // How many bytes of `text`, which is decode(ids), stay as they are whatever
  // ids follow.
  virtual std::size_t certain_bytes(std::span<const std::int32_t> ids,
                                    std::string_view text) const;

  // The bytes of one id inside a text.
  virtual std::string token_text(std::int32_t id) const = 0;

  // One more than the largest id.
  virtual std::int64_t vocabulary() const = 0;

  // Whether the id has a token. Some ids below vocabulary() may have none.
  virtual bool has_token(std::int32_t id) const {
    return id >= 0 && id < vocabulary();
  }

  // The token that a model reads before a document (Llama's <|begin_of_text|>),
  // if the tokenizer's files say that it is put there; and the token that ends
  // one (GPT-2's <|endoftext|>), if there is such a token.
  virtual std::optional<std::int32_t> beginning_of_document() const = 0;
  virtual std::optional<std::int32_t> end_of_document() const = 0;

  // The id of a token by its text, special or not; nothing if it is no token.
  virtual std::optional<std::int32_t> id_of(std::string_view token) const = 0;

  // A name for people: "bytes", "byte-level BPE", "Unigram", "SentencePiece".
  virtual std::string kind() const = 0;

  std::vector<std::int32_t> encode(std::string_view text) const {
    std::vector<std::int32_t> ids;
    encode(text, ids);
    return ids;
  }
};

// The names of a tokenizer on the command line and in a configuration:
//
//   bytes            256 bytes and an end of document
//   DIR              with tokenizer.json, or vocab.json and merges.txt, or
//                    tokenizer.model, looked for in this order
//   FILE.json        a tokenizer.json; a vocab.json with merges.txt beside it
//   FILE.model       a SentencePiece model
//
// The files beside it count, too: tokenizer_files.h. Throws Error for anything
// missing, broken or of an unsupported kind.
std::unique_ptr<Tokenizer> load_tokenizer(const std::string& spec);

// The texts, by name, of the files that the tokenizer was loaded from. A folder
// with them is the same tokenizer, so a model's checkpoint keeps them. Empty
// for "bytes", and for "", which is no tokenizer. Throws as load_tokenizer()
// does, and UsageError if the tokenizer has ids beyond the model's.
std::map<std::string, std::string> tokenizer_documents(const std::string& spec,
                                                       std::int64_t model_ids);

}  // namespace dure::data
