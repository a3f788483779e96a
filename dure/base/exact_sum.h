// A sum of doubles without rounding, so that neither order nor cut changes it.
//
// The sum is one fixed-point number, wide enough for every finite double [1]:
// digits of 32 bits in integers of 64, which put off their carries [2]. Adding
// is a shift and three integer additions. The number itself is unique, so sums
// over any parts, added up in any order, round to the same double; that is what
// reproducible summation [3] asks for, and more.
//
//   digit i     counts 2^(32 i - 1074), for i < 67
//   67, 68, 69  count NaN, infinity and -infinity
//
// It may pass DBL_MAX and come back: 2^45 terms of any size fit. From 2^1070 on
// it is infinite for good, as if infinity had been added.
//
// [1] Kulisch and Miranker 1986, "The Arithmetic of the Digital Computer: A New
//     Approach", SIAM Review 28(1).
// [2] Neal 2015, arXiv:1505.05571 (its "small superaccumulator").
// [3] Demmel and Nguyen 2015, "Parallel Reproducible Summation", IEEE
//     Transactions on Computers 64(7).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>

namespace dure {

class ExactSum {
 public:
  static constexpr std::size_t kDigits = 70;

  // The most ranks whose digits() may be added up.
  static constexpr std::int64_t kMaxRanks = std::int64_t{1} << 20;

  ExactSum() = default;

  // The sum that has these digits(), which may be sums of several ranks'
  // digits.
  explicit ExactSum(std::span<const std::int64_t, kDigits> digits) {
    std::copy(digits.begin(), digits.end(), digits_.begin());
  }

  void add(double value) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    const std::uint64_t exponent = (bits >> 52) & 0x7FF;
    if (exponent == 0x7FF) [[unlikely]] {
      return add_nonfinite(value);
    }
    if (pending_ == kMostPending) [[unlikely]] {
      carry();
    }
    ++pending_;
    // The value is mantissa 2^(shift - 1074).
    const std::uint64_t is_normal = exponent != 0 ? 1 : 0;
    const std::uint64_t mantissa =
        (bits & 0xF'FFFF'FFFF'FFFF) | (is_normal << 52);
    const std::uint64_t shift = exponent - is_normal;
    const std::uint64_t low = mantissa << (shift % 32);
    const std::uint64_t high = (mantissa >> 32) >> (32 - shift % 32);
    // -1 or 0: (x ^ sign) - sign is -x or x.
    const std::int64_t sign = -static_cast<std::int64_t>(bits >> 63);
    std::int64_t* const to = digits_.data() + shift / 32;
    to[0] += (static_cast<std::int64_t>(low & 0xFFFF'FFFF) ^ sign) - sign;
    to[1] += (static_cast<std::int64_t>(low >> 32) ^ sign) - sign;
    to[2] += (static_cast<std::int64_t>(high) ^ sign) - sign;
  }

  void add(const ExactSum& other);

  // The double nearest to the sum, ties to even. The sum of no terms, and of
  // zeros of either sign, is 0. It is NaN where a term is NaN or where there
  // are infinities of both signs, and infinite where there are infinities of
  // one sign.
  double value() const;

  // The digits, for ranks to combine: every rank replaces its own by the sum,
  // element by element, of all ranks' digits. The digits are the whole state of
  // the sum, and unique: equal sums have equal digits.
  std::span<std::int64_t, kDigits> digits();

  friend bool operator==(ExactSum a, ExactSum b) {
    a.carry();
    b.carry();
    return a.digits_ == b.digits_;
  }

 private:
  static constexpr std::size_t kTop = 66;
  static constexpr std::size_t kNan = 67;
  static constexpr std::size_t kInfinity = 68;
  static constexpr std::size_t kMinusInfinity = 69;

  // |digit| <= 2^32 (1 + pending_) < 2^63
  static constexpr std::int64_t kMostPending = std::int64_t{1} << 30;

  void add_nonfinite(double value);

  // Brings every digit but the top one into 0 to 2^32 - 1 and every count to 0
  // or 1. The top digit has the number's sign.
  void carry();

  std::array<std::int64_t, kDigits> digits_ = {};
  std::int64_t pending_ = 0;  // additions since carries were made
};

}  // namespace dure
