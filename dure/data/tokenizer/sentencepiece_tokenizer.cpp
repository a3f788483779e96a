#include "dure/data/tokenizer/sentencepiece_tokenizer.h"

#include "dure/base/check.h"
#include "dure/base/quote.h"

#ifdef DURE_WITH_SENTENCEPIECE
#include <sentencepiece_processor.h>
#endif

namespace dure::data {

#ifdef DURE_WITH_SENTENCEPIECE

namespace {

using sentencepiece::SentencePieceProcessor;

// SentencePiece's character for a space, U+2581.
constexpr std::string_view kSpace = "\xe2\x96\x81";

std::optional<std::int32_t> id_or_none(int id) {
  return id < 0 ? std::nullopt : std::optional<std::int32_t>(id);
}

class SentencePieceTokenizer : public Tokenizer {
 public:
  SentencePieceTokenizer(std::string_view model, const TokenNotes& notes) {
    const auto status =
        processor_.LoadFromSerializedProto({model.data(), model.size()});
    DURE_CHECK(status.ok() && processor_.GetPieceSize() > 0,
               "it is not a SentencePiece model: {}",
               status.ToString());
    expect_pieces(notes.added);
    beginning_ = named(notes, "bos_token", processor_.bos_id());
    end_ = named(notes, "eos_token", processor_.eos_id());
    for (const NamedToken& token : notes.named) {
      expect_named(token, id_of(token.token.text));
    }
    read_beginning(notes);
  }

  using Tokenizer::encode;
  void encode(std::string_view text,
              std::vector<std::int32_t>& ids) const override {
    std::vector<int> found;
    const auto status = processor_.Encode({text.data(), text.size()}, &found);
    DURE_CHECK(
        status.ok(), "SentencePiece can't encode: {}", status.ToString());
    ids.insert(ids.end(), found.begin(), found.end());
  }

  std::string decode(std::span<const std::int32_t> ids) const override {
    for (const std::int32_t id : ids) {
      check(id);
    }
    std::string text;
    const auto status =
        processor_.Decode(std::vector<int>(ids.begin(), ids.end()), &text);
    DURE_CHECK(
        status.ok(), "SentencePiece can't decode: {}", status.ToString());
    return text;
  }

  std::string token_text(std::int32_t id) const override {
    check(id);
    if (processor_.IsControl(id)) {
      return "";
    }
    const std::string& piece = processor_.IdToPiece(id);
    if (processor_.IsByte(id)) {  // "<0x41>"
      return {static_cast<char>(std::stoi(piece.substr(3, 2), nullptr, 16))};
    }
    return with_spaces(piece);
  }

  std::int64_t vocabulary() const override { return processor_.GetPieceSize(); }
  std::optional<std::int32_t> beginning_of_document() const override {
    return beginning_;
  }
  std::optional<std::int32_t> end_of_document() const override { return end_; }

  std::optional<std::int32_t> id_of(std::string_view token) const override {
    const std::string text(token);
    const int id = processor_.PieceToId(text);
    return processor_.IdToPiece(id) == text ? id_or_none(id) : std::nullopt;
  }

  std::string kind() const override { return "SentencePiece"; }

 private:
  void check(std::int32_t id) const {
    DURE_CHECK(id >= 0 && id < vocabulary(),
               "token id {} is outside the vocabulary of {}",
               id,
               vocabulary());
  }

  // Throws Error for added tokens, because the library takes none beside the
  // model.
  void expect_pieces(const std::vector<AddedToken>& added) const {
    for (const AddedToken& token : added) {
      DURE_CHECK(
          token.id < vocabulary() &&
              processor_.IdToPiece(token.id) == token.text,
          "the files beside it add the token {} with id {}, which the "
          "SentencePiece model has not: adding tokens to one is not supported",
          quoted(token.text),
          token.id);
    }
  }

  std::optional<std::int32_t> named(const TokenNotes& notes,
                                    std::string_view key,
                                    int otherwise) const {
    const NamedToken* token = notes.find(key);
    return token != nullptr ? id_of(token->token.text) : id_or_none(otherwise);
  }

  void read_beginning(const TokenNotes& notes) {
    DURE_CHECK(beginning_.has_value() || !notes.adds_beginning.value_or(false),
               "tokenizer_config.json has add_bos_token, but no file names a "
               "bos_token");
    if (!notes.adds_beginning.value_or(true)) {
      beginning_.reset();
    }
  }

  static std::string with_spaces(std::string_view piece) {
    std::string text;
    for (std::size_t at = piece.find(kSpace); at != std::string_view::npos;
         at = piece.find(kSpace)) {
      text += piece.substr(0, at);
      text += ' ';
      piece.remove_prefix(at + kSpace.size());
    }
    text += piece;
    return text;
  }

  SentencePieceProcessor processor_;
  std::optional<std::int32_t> beginning_;
  std::optional<std::int32_t> end_;
};

}  // namespace

std::unique_ptr<Tokenizer> parse_sentencepiece(std::string_view model,
                                               const TokenNotes& notes) {
  return std::make_unique<SentencePieceTokenizer>(model, notes);
}

#else

std::unique_ptr<Tokenizer> parse_sentencepiece(std::string_view /*model*/,
                                               const TokenNotes& /*notes*/) {
  DURE_CHECK(false,
             "it needs the SentencePiece library, which this build of dure "
             "lacks: install libsentencepiece-dev and configure again");
  return nullptr;
}

#endif

}  // namespace dure::data
