#include "dure/data/tokenizer/token_decoder.h"

#include <fmt/core.h>

#include <gtest/gtest.h>

namespace dure::data {
namespace {

using Tokens = std::vector<std::string_view>;

constexpr std::string_view kMark = "\xef\xbf\xbd";

// Llama 2's steps: spaces, bytes, and no space at the beginning.
DecoderSteps llama() {
  return {.before_bytes = {ReplaceText{"_", " "}},
          .bytes = DecoderSteps::Bytes::kBytes,
          .of_all = {StripDecoder{" ", 1, 0}}};
}

std::string decode(const DecoderSteps& steps, const Tokens& tokens) {
  return TokenDecoder(steps).decode(tokens);
}

std::size_t certain(const DecoderSteps& steps, const Tokens& tokens) {
  return TokenDecoder(steps).certain_bytes(tokens);
}

TEST(TokenDecoder, OneSpaceIsTakenAwayAtTheBeginningOfAll) {
  EXPECT_EQ(decode(llama(), {"_a", "_b"}), "a b");
  EXPECT_EQ(decode(llama(), {"_", "_b"}), " b");
  EXPECT_EQ(decode(llama(), {"a"}), "a");
}

TEST(TokenDecoder, ARunOfBytesIsCharactersOrAMarkForEach) {
  EXPECT_EQ(decode(llama(), {"a", "<0xC3>", "<0xA9>", "b"}),
            "a\xc3\xa9"
            "b");
  EXPECT_EQ(decode(llama(), {"<0x41>", "<0xC3>", "b"}),
            fmt::format("{}{}b", kMark, kMark));
  EXPECT_EQ(decode(llama(), {"<0x4>", "<0xZZ>"}), "<0x4><0xZZ>");
  EXPECT_EQ(decode({}, {"<0x41>"}), "<0x41>");
}

TEST(TokenDecoder, ARunOfBytesIsCertainWhenItHasEnded) {
  EXPECT_EQ(certain(llama(), {"a", "<0x41>"}), 1U);
  EXPECT_EQ(certain(llama(), {"a", "<0x41>", "b"}), 3U);
  EXPECT_EQ(certain(llama(), {"<0x41>"}), 0U);
}

TEST(TokenDecoder, WhatIsTakenAwayAtTheEndIsNotCertain) {
  const DecoderSteps ends = {.of_all = {StripDecoder{".", 0, 1}}};
  EXPECT_EQ(decode(ends, {"a", "."}), "a");
  EXPECT_EQ(certain(ends, {"a", "."}), 1U);
  EXPECT_EQ(decode(ends, {"a", ".", "b"}), "a.b");
}

TEST(TokenDecoder, AMetaspaceIsNothingInTheFirstToken) {
  const DecoderSteps without = {.before_bytes = {MetaspaceDecoder{"_"}}};
  EXPECT_EQ(decode(without, {"_a_b", "_c"}), "ab c");
  const DecoderSteps with = {.before_bytes = {MetaspaceDecoder{
                                 "_", MetaspaceDecoder::First::kWithSpaces}}};
  EXPECT_EQ(decode(with, {"_a", "_c"}), " a c");
}

TEST(TokenDecoder, ATokenInsideATextIsItsText) {
  const TokenDecoder decoder(llama());
  EXPECT_EQ(decoder.inside("_a"), " a");
  EXPECT_EQ(decoder.inside("<0xC3>"), "\xc3");
}

TEST(TokenDecoder, WithoutADecoderASpaceStandsBetweenTokens) {
  EXPECT_EQ(decode({.between = " "}, {"a", "b"}), "a b");
}

}  // namespace
}  // namespace dure::data
