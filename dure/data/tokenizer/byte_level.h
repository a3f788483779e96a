// GPT-2's alphabet: a visible character for each byte.
//
// Bytes that print in Latin-1 (! to ~, ¡ to ¬, ® to ÿ) stand for themselves;
// the other 68, in order, are U+0100, U+0101, ... So a space is "Ġ" (U+0120)
// and a newline "Ċ". Files hold tokens in this alphabet; memory holds their
// bytes.
//
// Source: Radford et al. 2019, "Language Models are Unsupervised Multitask
// Learners", section 2.2, and the vocabulary published with it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dure::data {

// The code point (below 0x144) that stands for each byte.
const std::array<char16_t, 256>& byte_level_alphabet();

// The bytes in the order of their code points: '!' first, 0xAD last. Trainers
// number the bytes in this order.
std::array<std::uint8_t, 256> bytes_in_alphabet_order();

std::string to_byte_level(std::string_view bytes);

// Nothing if the text has a character that stands for no byte.
std::optional<std::string> from_byte_level(std::string_view text);

}  // namespace dure::data
