// Helpers for several tests of tokenizers.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dure/base/random.h"
#include "dure/data/tokenizer/word_counts.h"

namespace dure::data {

// The folders of tests/golden/tokenizer/pipelines.
inline const std::vector<std::string> kPipelines = {"qwen2",
                                                    "deepseek",
                                                    "llama2",
                                                    "mistral",
                                                    "gemma",
                                                    "albert",
                                                    "unigram_bytes",
                                                    "t5",
                                                    "words"};

inline std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(
        std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

// A source of one document.
inline NextText one_text(std::string text) {
  return [left = std::make_shared<std::string>(std::move(text)),
          given = false](std::string_view& next) mutable {
    next = *left;
    return !std::exchange(given, true);
  };
}

// Bytes that often meet: letters, spaces, marks, parts of characters.
inline std::string random_text(std::uint64_t seed, std::size_t pieces) {
  static constexpr std::string_view kPieces[] = {"a",
                                                 "b",
                                                 "the",
                                                 " ",
                                                 "  ",
                                                 "\n",
                                                 "\r\n",
                                                 "'s",
                                                 "'",
                                                 "7",
                                                 "42",
                                                 ".",
                                                 "!?",
                                                 "\xed\x95\x9c",
                                                 "\xf0\x9f\x98\x80",
                                                 "\xcc\x81",
                                                 "\xe3\x80\x80",
                                                 "\xff",
                                                 "\xe2",
                                                 "\x80",
                                                 "\xc3\xa9",
                                                 "\t",
                                                 "<|endoftext|>",
                                                 "\xf0\x9f"};
  const RandomStream random(seed, "text");
  std::string text;
  for (std::size_t i = 0; i < pieces; ++i) {
    text += kPieces[random.below(std::size(kPieces), i)];
  }
  return text;
}

}  // namespace dure::data
