// A progress line on standard error.
//
// On a terminal the line is redrawn in place a few times a second, cut to its
// width; elsewhere (a log file, CI) a line is printed at most every ten
// seconds, or those that are asked for, and the last. That it can't be written
// is no error: who watched is gone.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace dure {

// "1.2 k", "3.4 M": three digits and a decimal prefix.
std::string with_prefix(double value);

// "12 s", "3 min 20 s", "2 h 05 min".
std::string duration_text(double seconds);

// The beginning of a text in UTF-8, of at most so many characters.
std::string first_characters(std::string_view text, std::size_t most);

class Progress {
 public:
  using Clock = std::chrono::steady_clock;

  // Which lines stay: by time, where nothing is redrawn, or those of print().
  enum class Lines : std::uint8_t { kByTime, kAsked };

  // `total` 0: unknown, and no share or time left is shown.
  Progress(std::string label,
           std::uint64_t total,
           Lines lines = Lines::kByTime);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Says where the work is; `detail` is appended, such as "5.1 k documents/s".
  void update(std::uint64_t done, std::string_view detail);
  // The same, now, and as a line that stays.
  void print(std::uint64_t done, std::string_view detail);
  void finish(std::string_view detail);

  double seconds() const;

 private:
  std::string line(std::uint64_t done, std::string_view detail) const;
  enum class Line : std::uint8_t { kRedrawn, kStays };
  void show(const std::string& line, Line kind);

  std::string label_;
  std::uint64_t total_;
  Lines lines_;
  bool terminal_;
  Clock::time_point start_;
  Clock::time_point shown_;
  bool open_ = false;  // a redrawn line waits for its newline
};

}  // namespace dure
