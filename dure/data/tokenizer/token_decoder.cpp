#include "dure/data/tokenizer/token_decoder.h"

#include <charconv>
#include <type_traits>
#include <utility>

#include "dure/base/utf8.h"

namespace dure::data {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

std::string stripped(std::string_view text, const StripDecoder& strip) {
  const std::string_view c = strip.character;
  for (std::size_t i = 0; i < strip.begin && text.starts_with(c); ++i) {
    text.remove_prefix(c.size());
  }
  for (std::size_t i = 0; i < strip.end && text.ends_with(c); ++i) {
    text.remove_suffix(c.size());
  }
  return std::string(text);
}

std::string characters_of(std::string bytes) {
  if (valid_utf8_prefix(bytes) == bytes.size()) {
    return bytes;
  }
  std::string marks;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    marks += kReplacement;
  }
  return marks;
}

}  // namespace

// Parses like Rust's from_str_radix, which accepts a sign as a digit.
int byte_of_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>' ||
      token[3] == '-') {
    return -1;
  }
  std::string_view digits = token.substr(3, 2);
  digits.remove_prefix(digits[0] == '+' ? 1 : 0);
  int byte = -1;
  const char* const end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, byte, 16);
  return read.ec == std::errc() && read.ptr == end ? byte : -1;
}

struct TokenDecoder::Apply {
  std::string operator()(const ReplaceText& replace) const {
    return replaced(token, replace);
  }
  std::string operator()(const Replacer& replace) const {
    return replaced(token, replace.pattern, replace.to, scratch);
  }
  std::string operator()(const StripDecoder& strip) const {
    return stripped(token, strip);
  }
  std::string operator()(const MetaspaceDecoder& metaspace) const {
    const bool nothing =
        place == Place::kFirst &&
        metaspace.first == MetaspaceDecoder::First::kWithoutSpaces;
    return replaced(token, ReplaceText{metaspace.space, nothing ? "" : " "});
  }

  std::string_view token;
  Place place;
  SplitScratch& scratch;
};

TokenDecoder::TokenDecoder(const DecoderSteps& steps)
    : before_bytes_(compiled(steps.before_bytes)),
      bytes_(steps.bytes),
      after_bytes_(compiled(steps.after_bytes)),
      between_(steps.between),
      of_all_(steps.of_all) {}

std::vector<TokenDecoder::Step> TokenDecoder::compiled(
    const std::vector<DecoderSteps::TokenStep>& steps) {
  std::vector<Step> result;
  for (const DecoderSteps::TokenStep& step : steps) {
    std::visit(
        [&](const auto& s) {
          if constexpr (std::is_same_v<std::decay_t<decltype(s)>,
                                       ReplaceMatches>) {
            result.push_back(Replacer{SplitPattern(s.pattern), s.to});
          } else {
            result.push_back(s);
          }
        },
        step);
  }
  return result;
}

std::string TokenDecoder::apply(const std::vector<Step>& steps,
                                std::string token,
                                Place place,
                                SplitScratch& scratch) {
  for (const Step& step : steps) {
    token = std::visit(Apply{token, place, scratch}, step);
  }
  return token;
}

// Joins each run of bytes into one token of characters.
std::vector<std::string> TokenDecoder::joined_bytes(
    std::vector<std::string> tokens) const {
  if (bytes_ == DecoderSteps::Bytes::kText) {
    return tokens;
  }
  std::vector<std::string> joined;
  std::string run;
  const auto end_run = [&] {
    if (!run.empty()) {
      joined.push_back(characters_of(std::exchange(run, {})));
    }
  };
  for (std::string& token : tokens) {
    const int byte = byte_of_token(token);
    if (byte >= 0) {
      run += static_cast<char>(byte);
    } else {
      end_run();
      joined.push_back(std::move(token));
    }
  }
  end_run();
  return joined;
}

std::string TokenDecoder::decode(Tokens tokens) const {
  SplitScratch scratch;
  std::vector<std::string> texts;
  for (const std::string_view token : tokens) {
    const Place place = texts.empty() ? Place::kFirst : Place::kInside;
    texts.push_back(apply(before_bytes_, std::string(token), place, scratch));
  }
  std::string all;
  Place place = Place::kFirst;
  for (std::string& text : joined_bytes(std::move(texts))) {
    all += place == Place::kFirst ? "" : between_;
    all += apply(after_bytes_, std::move(text), place, scratch);
    place = Place::kInside;
  }
  for (const StripDecoder& strip : of_all_) {
    all = stripped(all, strip);
  }
  return all;
}

// A run of bytes at the end may continue, and text that would be removed at the
// end may be followed by more.
std::size_t TokenDecoder::certain_bytes(Tokens tokens) const {
  SplitScratch scratch;
  std::size_t certain = tokens.size();
  while (certain > 0 && bytes_ == DecoderSteps::Bytes::kBytes &&
         byte_of_token(apply(before_bytes_,
                             std::string(tokens[certain - 1]),
                             certain == 1 ? Place::kFirst : Place::kInside,
                             scratch)) >= 0) {
    --certain;
  }
  return decode(tokens.subspan(0, certain)).size();
}

std::string TokenDecoder::inside(std::string_view token) const {
  SplitScratch scratch;
  const std::string text =
      apply(before_bytes_, std::string(token), Place::kInside, scratch);
  const int byte = byte_of_token(text);
  if (byte >= 0 && bytes_ == DecoderSteps::Bytes::kBytes) {
    return {static_cast<char>(byte)};
  }
  return apply(after_bytes_, text, Place::kInside, scratch);
}

}  // namespace dure::data
