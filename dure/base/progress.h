// A progress line on standard error.
//
// On a terminal the line is redrawn in place a few times a second, as much of
// it as fits the width that the terminal has then; elsewhere (a log file, CI) a
// line is printed at most every ten seconds, or those that are asked for, and
// the last. That it can't be written is no error: who watched is gone.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace dure {

// "1.2 k", "3.4 M": three digits and a decimal prefix.
std::string with_prefix(double value);

// "12 s", "3 min 20 s", "2 h 05 min".
std::string duration_text(double seconds);

// A line of parts, which two spaces part, in as many columns at most: parts are
// left out from the end; of one that is too long by itself, its beginning.
std::string fitted(std::string_view line, std::size_t columns);

// How much a second, of what was done lately: a rate that follows a machine
// that becomes slower, and is not moved by every hiccup.
class RecentRate {
 public:
  explicit RecentRate(double window_seconds) : window_(window_seconds) {}

  // So much was done in so many seconds, after what was added before.
  void add(double amount, double seconds);
  // 0 of nothing.
  double value() const { return seconds_ > 0 ? amount_ / seconds_ : 0; }

 private:
  struct Part {
    double amount;
    double seconds;
  };

  double window_;
  std::deque<Part> parts_;
  double amount_ = 0;
  double seconds_ = 0;
};

class Progress {
 public:
  using Clock = std::chrono::steady_clock;
  enum class End : std::uint8_t { kDone, kStopped };
  // Which lines stay where none is redrawn: by time, or those of print() alone.
  enum class Lines : std::uint8_t { kByTime, kAsked };

  // `total` 0: unknown, and no share or time left is shown. `before` of it were
  // done already.
  Progress(std::string label,
           std::uint64_t total,
           std::uint64_t before = 0,
           Lines lines = Lines::kByTime);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Says how much of the total is done; `detail` is appended, parts with two
  // spaces between, the most important first: "5.1 k documents/s".
  void update(std::uint64_t done, std::string_view detail);
  // The same, now, in a line that stays.
  void print(std::uint64_t done, std::string_view detail);
  void finish(std::string_view detail, End end = End::kDone);

  double seconds() const;

 private:
  void count(std::uint64_t done);
  std::string line(std::uint64_t done, std::string_view detail) const;
  void show(const std::string& line);
  // Not where nobody takes it within so many milliseconds.
  void write(const std::string& text, int patience = 0) const;

  std::string label_;
  std::uint64_t total_;
  Lines lines_;
  bool terminal_;
  Clock::time_point start_;
  Clock::time_point shown_;
  std::uint64_t shown_done_;
  RecentRate rate_;
  bool open_ = false;  // a redrawn line waits for its newline
};

}  // namespace dure
