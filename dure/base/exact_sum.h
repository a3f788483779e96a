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
#include <limits>
#include <span>

namespace dure {

// A number of at least 0 in digits of 32 bits, from the lowest, which counts
// 2^-1074.
class ExactMagnitude {
 public:
  constexpr explicit ExactMagnitude(std::span<const std::uint32_t> digits)
      : digits_(digits) {}

  // The sum as a double, rounded to nearest, ties to even.
  constexpr double rounded() const {
    constexpr int kMantissaBits = 53;
    const int drop = bits() - kMantissaBits;
    if (drop <= 0) {  // A double below 2^-1021 counts the same in its bits.
      return std::bit_cast<double>(slice(0, kMantissaBits));
    }
    std::uint64_t mantissa = slice(drop, kMantissaBits);
    const bool is_odd = (mantissa & 1U) != 0;
    if (bit(drop - 1) && (is_odd || any_below(drop - 1))) {
      ++mantissa;
    }
    // The mantissa's highest bit counts in the exponent.
    const std::uint64_t result =
        (static_cast<std::uint64_t>(drop) << 52) + mantissa;
    constexpr std::uint64_t kInfinity = 0x7FF0'0000'0000'0000;
    return std::bit_cast<double>(std::min(result, kInfinity));
  }

 private:
  static constexpr int kDigitBits = 32;

  // One past the highest bit that is set.
  constexpr int bits() const {
    for (std::size_t i = digits_.size(); i > 0; --i) {
      if (digits_[i - 1] != 0) {
        return static_cast<int>(i * kDigitBits) -
               std::countl_zero(digits_[i - 1]);
      }
    }
    return 0;
  }

  // Bits first, first + 1, ..., with `count` <= 64.
  constexpr std::uint64_t slice(int first, int count) const {
    std::uint64_t result = 0;
    for (int b = first + count - 1; b >= first; --b) {
      result = 2 * result + (bit(b) ? 1 : 0);
    }
    return result;
  }

  constexpr bool bit(int b) const {
    const auto digit = digits_[static_cast<std::size_t>(b / kDigitBits)];
    return ((digit >> (b % kDigitBits)) & 1U) != 0;
  }

  constexpr bool any_below(int b) const {
    const int whole = b / kDigitBits;
    for (int i = 0; i < whole; ++i) {
      if (digits_[static_cast<std::size_t>(i)] != 0) {
        return true;
      }
    }
    return slice(whole * kDigitBits, b % kDigitBits) != 0;
  }

  std::span<const std::uint32_t> digits_;
};

// All of it is constexpr, so that a GPU's code can call it, too.
class ExactSum {
 public:
  static constexpr std::size_t kDigits = 70;

  // The most ranks whose digits() may be added up.
  static constexpr std::int64_t kMaxRanks = std::int64_t{1} << 20;

  ExactSum() = default;

  // The sum that has these digits(), which may be sums of several ranks'
  // digits.
  constexpr explicit ExactSum(std::span<const std::int64_t, kDigits> digits) {
    std::copy(digits.begin(), digits.end(), digits_.begin());
  }

  // Calls add(i, part) for the parts of a value that digits i get.
  template <typename Add>
  static constexpr void for_each_digit(double value, const Add& add) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    const std::uint64_t exponent = (bits >> 52) & 0x7FF;
    if (exponent == 0x7FF) [[unlikely]] {
      add(nonfinite_digit(value), std::int64_t{1});
      return;
    }
    // The value is mantissa 2^(shift - 1074).
    const std::uint64_t is_normal = exponent != 0 ? 1 : 0;
    const std::uint64_t mantissa =
        (bits & 0xF'FFFF'FFFF'FFFF) | (is_normal << 52);
    const std::uint64_t shift = exponent - is_normal;
    const std::uint64_t low = mantissa << (shift % 32);
    const std::uint64_t high = (mantissa >> 32) >> (32 - shift % 32);
    // -1 or 0: (x ^ sign) - sign is -x or x.
    const std::int64_t sign = -static_cast<std::int64_t>(bits >> 63);
    const std::size_t to = shift / 32;
    add(to, (static_cast<std::int64_t>(low & 0xFFFF'FFFF) ^ sign) - sign);
    add(to + 1, (static_cast<std::int64_t>(low >> 32) ^ sign) - sign);
    add(to + 2, (static_cast<std::int64_t>(high) ^ sign) - sign);
  }

  constexpr void add(double value) {
    if (pending_ == kMostPending) [[unlikely]] {
      carry();
    }
    ++pending_;
    for_each_digit(
        value, [&](std::size_t i, std::int64_t part) { digits_[i] += part; });
  }

  constexpr void add(const ExactSum& other);

  // The double nearest to the sum, ties to even. The sum of no terms, and of
  // zeros of either sign, is 0. It is NaN where a term is NaN or where there
  // are infinities of both signs, and infinite where there are infinities of
  // one sign.
  constexpr double value() const;

  // The digits, for ranks to combine: every rank replaces its own by the sum,
  // element by element, of all ranks' digits. The digits are the whole state of
  // the sum, and unique: equal sums have equal digits.
  constexpr std::span<std::int64_t, kDigits> digits();

  friend constexpr bool operator==(ExactSum a, ExactSum b) {
    a.carry();
    b.carry();
    return a.digits_ == b.digits_;
  }

 private:
  static constexpr int kDigitBits = 32;
  static constexpr std::int64_t kTopLimit = std::int64_t{1} << 32;
  static constexpr std::size_t kTop = 66;
  static constexpr std::size_t kNan = 67;
  static constexpr std::size_t kInfinity = 68;
  static constexpr std::size_t kMinusInfinity = 69;

  // |digit| <= 2^32 (1 + pending_) < 2^63
  static constexpr std::int64_t kMostPending = std::int64_t{1} << 30;

  static constexpr std::size_t nonfinite_digit(double value) {
    return value != value ? kNan : value > 0 ? kInfinity : kMinusInfinity;
  }

  // Brings every digit but the top one into 0 to 2^32 - 1 and every count to 0
  // or 1. The top digit has the number's sign.
  constexpr void carry();

  std::array<std::int64_t, kDigits> digits_ = {};
  std::int64_t pending_ = 0;  // additions since carries were made
};

constexpr void ExactSum::add(const ExactSum& other) {
  if (pending_ + other.pending_ >= kMostPending) {
    carry();
    if (other.pending_ > 0) {
      ExactSum carried = other;
      carried.carry();
      return add(carried);
    }
  }
  for (std::size_t i = 0; i < kDigits; ++i) {
    digits_[i] += other.digits_[i];
  }
  pending_ += other.pending_ + 1;
}

constexpr void ExactSum::carry() {
  std::int64_t carried = 0;
  for (std::size_t i = 0; i < kTop; ++i) {
    const std::int64_t digit = digits_[i] + carried;
    digits_[i] = digit & 0xFFFF'FFFF;
    carried = digit >> kDigitBits;  // rounds down, also below 0
  }
  std::int64_t& top = digits_[kTop];
  top += carried;
  if (top >= kTopLimit || top <= -kTopLimit) {
    digits_[top > 0 ? kInfinity : kMinusInfinity] = 1;
    std::fill(digits_.begin(), digits_.begin() + kNan, 0);
  }
  for (std::size_t i = kNan; i < kDigits; ++i) {
    digits_[i] = std::min<std::int64_t>(digits_[i], 1);
  }
  pending_ = 0;
}

constexpr std::span<std::int64_t, ExactSum::kDigits> ExactSum::digits() {
  carry();
  pending_ = kMaxRanks;
  return digits_;
}

constexpr double ExactSum::value() const {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  const bool up = digits_[kInfinity] > 0;
  const bool down = digits_[kMinusInfinity] > 0;
  if (digits_[kNan] > 0 || (up && down)) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (up || down) {
    return up ? kInfinite : -kInfinite;
  }
  ExactSum sum = *this;
  sum.carry();
  const bool is_negative = sum.digits_[kTop] < 0;
  if (is_negative) {
    for (std::int64_t& digit : sum.digits_) {
      digit = -digit;
    }
    sum.carry();
  }
  std::array<std::uint32_t, kTop + 1> magnitude = {};
  for (std::size_t i = 0; i <= kTop; ++i) {
    magnitude[i] = static_cast<std::uint32_t>(sum.digits_[i]);
  }
  const double size = ExactMagnitude(magnitude).rounded();
  return is_negative ? -size : size;
}

}  // namespace dure
