// From tokens of characters back to a text, as Hugging Face's decoders do it.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dure/data/tokenizer/normalizer.h"

namespace dure::data {

// "▁" is a space, but in a text's first token, where it is nothing.
struct MetaspaceDecoder {
  enum class First { kWithoutSpaces, kWithSpaces };

  std::string space = "\xe2\x96\x81";
  First first = First::kWithoutSpaces;
};

// Takes so many of a character away at the ends, where they stand there.
struct StripDecoder {
  std::string character;
  std::size_t begin = 0;
  std::size_t end = 0;
};

// How tokens become a text.
struct DecoderSteps {
  using TokenStep =
      std::variant<ReplaceText, ReplaceMatches, MetaspaceDecoder, StripDecoder>;
  // "<0x41>" is a byte, and a run of them characters, or, where it isn't
  // UTF-8, a U+FFFD for each.
  enum class Bytes { kText, kBytes };

  std::vector<TokenStep> before_bytes = {};  // of each token
  Bytes bytes = Bytes::kText;
  std::vector<TokenStep> after_bytes =
      {};                    // of each token, a run of bytes being one
  std::string between = {};  // put between tokens
  std::vector<StripDecoder> of_all = {};  // of the whole text
};

// Immutable, for any number of threads.
class TokenDecoder {
 public:
  explicit TokenDecoder(const DecoderSteps& steps);

  using Tokens = std::span<const std::string_view>;

  std::string decode(Tokens tokens) const;

  // How much of decode(tokens) no token that follows changes.
  std::size_t certain_bytes(Tokens tokens) const;

  // What a token is inside a text: its bytes, where it stands for one.
  std::string inside(std::string_view token) const;

 private:
  struct Replacer {
    SplitPattern pattern;
    std::string to;
  };
  using Step =
      std::variant<ReplaceText, Replacer, MetaspaceDecoder, StripDecoder>;
  // Which of a text's tokens one is.
  enum class Place { kFirst, kInside };
  struct Apply;

  static std::vector<Step> compiled(
      const std::vector<DecoderSteps::TokenStep>& steps);
  static std::string apply(const std::vector<Step>& steps,
                           std::string token,
                           Place place,
                           SplitScratch& scratch);
  std::vector<std::string> joined_bytes(std::vector<std::string> tokens) const;

  std::vector<Step> before_bytes_;
  DecoderSteps::Bytes bytes_;
  std::vector<Step> after_bytes_;
  std::string between_;
  std::vector<StripDecoder> of_all_;
};

// The byte of "<0x41>"; -1 for another text.
int byte_of_token(std::string_view token);

}  // namespace dure::data
