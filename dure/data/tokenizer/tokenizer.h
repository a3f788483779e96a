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

  // Appends the ids of `text`, which may hold any bytes. Special tokens that
  // stand in the text become their ids; nothing is added at either end.
  virtual void encode(std::string_view text,
                      std::vector<std::int32_t>& ids) const = 0;

  // The bytes of the ids, special tokens included. They need not be whole
  // characters. Throws Error for an id outside the vocabulary.
  virtual std::string decode(std::span<const std::int32_t> ids) const = 0;

  // How many bytes of `text`, which is decode(ids), stay as they are whatever
  // ids may follow.
  virtual std::size_t certain_bytes(std::span<const std::int32_t> ids,
                                    std::string_view text) const;

  // The bytes that one id stands for, as they stand inside a text.
  virtual std::string token_text(std::int32_t id) const = 0;

  // One more than the largest id.
  virtual std::int64_t vocabulary() const = 0;

  // Whether the id has a token. Below vocabulary() some leave holes.
  virtual bool has_token(std::int32_t id) const {
    return id >= 0 && id < vocabulary();
  }

  // What a model reads before a document (Llama's <|begin_of_text|>), where
  // the tokenizer's files say that it is put there; and what ends one (GPT-2's
  // <|endoftext|>), where the tokenizer has such a token.
  virtual std::optional<std::int32_t> beginning_of_document() const = 0;
  virtual std::optional<std::int32_t> end_of_document() const = 0;

  // The id of a token by its text, special or not; none where it is no token.
  virtual std::optional<std::int32_t> id_of(std::string_view token) const = 0;

  // "bytes", "byte-level BPE", "Unigram", "SentencePiece": for people.
  virtual std::string kind() const = 0;

  std::vector<std::int32_t> encode(std::string_view text) const {
    std::vector<std::int32_t> ids;
    encode(text, ids);
    return ids;
  }
};

// What a tokenizer is named by on the command line and in a configuration:
//
//   bytes            256 bytes and an end of document
//   DIR              with tokenizer.json, or vocab.json and merges.txt, or
//                    tokenizer.model, looked for in this order
//   FILE.json        a tokenizer.json; a vocab.json with merges.txt beside it
//   FILE.model       a SentencePiece model
//
// What stands beside the file has a say, too: tokenizer_files.h.
// Throws Error for anything missing, broken or of an unsupported kind.
std::unique_ptr<Tokenizer> load_tokenizer(const std::string& spec);

// The texts, by name, of the files that the tokenizer was loaded from: a folder
// of them is the same tokenizer, so a checkpoint of a model keeps them. Nothing
// for "bytes", and for "", which is no tokenizer. Throws as load_tokenizer(),
// and UsageError where the tokenizer has ids beyond those of the model.
std::map<std::string, std::string> tokenizer_documents(const std::string& spec,
                                                       std::int64_t model_ids);

}  // namespace dure::data
