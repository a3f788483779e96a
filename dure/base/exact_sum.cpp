#include "dure/base/exact_sum.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace dure {
namespace {

constexpr int kDigitBits = 32;
constexpr std::int64_t kTopLimit = std::int64_t{1} << 32;
constexpr int kMantissaBits = 53;
constexpr int kLowestExponent = -1074;  // of digit 0

// A number of at least 0 in digits of 32 bits, from the lowest.
class Magnitude {
 public:
  explicit Magnitude(std::span<const std::uint32_t> digits) : digits_(digits) {}

  // One past the highest bit that is set.
  int bits() const {
    for (std::size_t i = digits_.size(); i > 0; --i) {
      if (digits_[i - 1] != 0) {
        return static_cast<int>(i * kDigitBits) -
               std::countl_zero(digits_[i - 1]);
      }
    }
    return 0;
  }

  // Bits first, first + 1, ..., with `count` <= 64.
  std::uint64_t slice(int first, int count) const {
    std::uint64_t result = 0;
    for (int b = first + count - 1; b >= first; --b) {
      result = 2 * result + (bit(b) ? 1 : 0);
    }
    return result;
  }

  bool bit(int b) const {
    const auto digit = digits_[b / kDigitBits];
    return ((digit >> (b % kDigitBits)) & 1U) != 0;
  }

  bool any_below(int b) const {
    const auto whole = static_cast<std::size_t>(b / kDigitBits);
    const auto below = digits_.first(whole);
    return std::any_of(below.begin(),
                       below.end(),
                       [](std::uint32_t digit) { return digit != 0; }) ||
           slice(b / kDigitBits * kDigitBits, b % kDigitBits) != 0;
  }

 private:
  std::span<const std::uint32_t> digits_;
};

// magnitude 2^-1074 as a double, to nearest, ties to even.
double rounded(const Magnitude& magnitude) {
  const int drop = magnitude.bits() - kMantissaBits;
  if (drop <= 0) {  // no rounding, and at drop < 0 it may be subnormal
    return std::ldexp(static_cast<double>(magnitude.slice(0, kMantissaBits)),
                      kLowestExponent);
  }
  std::uint64_t mantissa = magnitude.slice(drop, kMantissaBits);
  const bool is_odd = (mantissa & 1U) != 0;
  if (magnitude.bit(drop - 1) && (is_odd || magnitude.any_below(drop - 1))) {
    ++mantissa;
  }
  return std::ldexp(static_cast<double>(mantissa), kLowestExponent + drop);
}

}  // namespace

void ExactSum::add(const ExactSum& other) {
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

void ExactSum::add_nonfinite(double value) {
  const std::size_t which = std::isnan(value) ? kNan
                            : value > 0       ? kInfinity
                                              : kMinusInfinity;
  digits_[which] = 1;
}

void ExactSum::carry() {
  std::int64_t carried = 0;
  for (std::size_t i = 0; i < kTop; ++i) {
    const std::int64_t digit = digits_[i] + carried;
    digits_[i] = digit & 0xFFFF'FFFF;
    carried = digit >> kDigitBits;  // rounds down, also below 0
  }
  std::int64_t& top = digits_[kTop];
  top += carried;
  if (std::abs(top) >= kTopLimit) {
    digits_[top > 0 ? kInfinity : kMinusInfinity] = 1;
    std::fill(digits_.begin(), digits_.begin() + kNan, 0);
  }
  for (std::size_t i = kNan; i < kDigits; ++i) {
    digits_[i] = std::min<std::int64_t>(digits_[i], 1);
  }
  pending_ = 0;
}

std::span<std::int64_t, ExactSum::kDigits> ExactSum::digits() {
  carry();
  pending_ = kMaxRanks;
  return digits_;
}

double ExactSum::value() const {
  const bool up = digits_[kInfinity] > 0;
  const bool down = digits_[kMinusInfinity] > 0;
  if (digits_[kNan] > 0 || (up && down)) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (up || down) {
    return up ? HUGE_VAL : -HUGE_VAL;
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
  const double size = rounded(Magnitude(magnitude));
  return is_negative ? -size : size;
}

}  // namespace dure
