// The integer types that token files store, under Megatron's codes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dure::data {

// The value is the code in an .idx file. Codes 6 and 7 are floating-point
// types, which hold no tokens.
enum class TokenType : std::uint8_t {
  kU8 = 1,
  kI8 = 2,
  kI16 = 3,
  kI32 = 4,
  kI64 = 5,
  kU16 = 8,
};

inline std::size_t size_of(TokenType type) {
  switch (type) {
    case TokenType::kU8:
    case TokenType::kI8:
      return 1;
    case TokenType::kI16:
    case TokenType::kU16:
      return 2;
    case TokenType::kI32:
      return 4;
    case TokenType::kI64:
      return 8;
  }
  return 0;  // not reached: every enumerator returns above
}

inline const char* name_of(TokenType type) {
  switch (type) {
    case TokenType::kU8:
      return "u8";
    case TokenType::kI8:
      return "i8";
    case TokenType::kI16:
      return "i16";
    case TokenType::kI32:
      return "i32";
    case TokenType::kI64:
      return "i64";
    case TokenType::kU16:
      return "u16";
  }
  return "?";  // not reached
}

// The type for a new file: u16 if the vocabulary fits, else i32. The bound is
// Megatron's, which keeps a few ids of 65,536 in reserve.
inline TokenType token_type_for(std::int64_t vocabulary) {
  constexpr std::int64_t kBound = 65500;
  return vocabulary < kBound ? TokenType::kU16 : TokenType::kI32;
}

}  // namespace dure::data
