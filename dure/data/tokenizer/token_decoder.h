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

// "▁" becomes a space, or nothing in a text's first token.
struct MetaspaceDecoder {
  enum class First { kWithoutSpaces, kWithSpaces };

  std::string space = "\xe2\x96\x81";
  First first = First::kWithoutSpaces;
};

// Removes so many of a character at the ends, as far as they are there.
struct StripDecoder {
  std::string character;
  std::size_t begin = 0;
  std::size_t end = 0;
};

// How tokens become a text.
struct DecoderSteps {
  using TokenStep =
      std::variant<ReplaceText, ReplaceMatches, MetaspaceDecoder, StripDecoder>;
  // "<0x41>" is a byte. A run of them becomes characters, or a U+FFFD for each
  // byte if it isn't UTF-8.
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

  // How much of decode(tokens) no following token can change.
  std::size_t certain_bytes(Tokens tokens) const;

  // The text of a token inside a text; if it stands for a byte, that byte.
  std::string inside(std::string_view token) const;

 private:
  struct Replacer {
    SplitPattern pattern;
    std::string to;
  };
  using Step =
      std::variant<ReplaceText, Replacer, MetaspaceDecoder, StripDecoder>;
  // Whether a token is the first of a text.
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
