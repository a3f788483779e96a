// The marks of an axis, and the numbers' form on a page.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dure::report {

// Multiples of 1, 2 or 5 times a power of ten within low to high, ascending, at
// most `most` (2 or more). Needs low < high, both within 1e300 of 0.
std::vector<double> ticks(double low, double high, int most);

// Powers of ten within low to high, at most `most`; if there are fewer than
// two, those of ticks(). Needs 0 < low < high.
std::vector<double> log_ticks(double low, double high, int most);

// The exponents of the powers of two within low to high, every so many of them,
// at most `most`. Needs 0 < low < high.
std::vector<int> powers_of_two(double low, double high, int most);

// Short, for the eye: "0.0005", "12.5", "3.2 k", "1.25 M"; "none" if it is not
// a number.
std::string short_text(double value);

// "1,234,567".
std::string grouped(std::uint64_t value);

// "512 B", "1.50 MiB".
std::string bytes_text(double bytes);

// "1.50 ms", "12.3 s", "3 min 20 s".
std::string seconds_text(double seconds);

// "12.5 %".
std::string percent_text(double share);

}  // namespace dure::report
