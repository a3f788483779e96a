// A progress line on standard error.
//
// On a terminal the line is redrawn in place a few times a second, cut to the
// terminal's width. Elsewhere (a log file, CI) a line is printed at most every
// ten seconds, or only when print() asks, and at the end. A failure to write is
// ignored: nobody is watching any more.
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

// Parts joined by two spaces, in at most so many columns. Parts are left out
// from the end; a single part that is too long is cut.
std::string fitted(std::string_view line, std::size_t columns);

// The recent amount per second. It follows a machine that becomes slower, but
// is not moved by every hiccup.
class RecentRate {
 public:
  explicit RecentRate(double window_seconds) : window_(window_seconds) {}

  // Records that so much was done in the latest so many seconds.
  void add(double amount, double seconds);
  // The rate, 0 if nothing was recorded.
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
  // Which lines are printed where none is redrawn: one every ten seconds, or
  // those of print() alone.
  enum class Lines : std::uint8_t { kByTime, kAsked };

  // With a `total` of 0, which means unknown, no share and no time left are
  // shown. `before` of it were done already.
  Progress(std::string label,
           std::uint64_t total,
           std::uint64_t before = 0,
           Lines lines = Lines::kByTime);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Says how much of the total is done. `detail` is appended: "5.1 k
  // documents/s". Its parts have two spaces between, the most important first.
  void update(std::uint64_t done, std::string_view detail);
  // Does what update() does, at once, in a line that stays.
  void print(std::uint64_t done, std::string_view detail);
  void finish(std::string_view detail, End end = End::kDone);

  double seconds() const;

 private:
  void count(std::uint64_t done);
  std::string line(std::uint64_t done, std::string_view detail) const;
  void show(const std::string& line);
  // Gives up where nobody reads within so many milliseconds.
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
