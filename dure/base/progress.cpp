#include "dure/base/progress.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>
#include <utility>

#include "dure/base/process.h"
#include "dure/base/quote.h"
#include "dure/base/terminal.h"

namespace dure {

std::string with_prefix(double value) {
  constexpr std::array<const char*, 5> kPrefixes = {"", " k", " M", " G", " T"};
  std::size_t prefix = 0;
  while (value >= 999.5 && prefix + 1 < kPrefixes.size()) {
    value /= 1000;
    ++prefix;
  }
  return fmt::format("{:.3g}{}", value, kPrefixes[prefix]);
}

std::string duration_text(double seconds) {
  const std::int64_t s = std::llround(seconds);
  if (s < 60) {
    return fmt::format("{} s", s);
  }
  if (s < 3600) {
    return fmt::format("{} min {:02} s", s / 60, s % 60);
  }
  return fmt::format("{} h {:02} min", s / 3600, s / 60 % 60);
}

namespace {

// The number of characters in UTF-8 text.
std::size_t characters_in(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](unsigned char byte) {
        return (byte & 0xc0) != 0x80;
      }));
}

std::string first_characters(std::string_view text, std::size_t most) {
  std::size_t bytes = text.size();
  while (characters_in(text.substr(0, bytes)) > most) {
    --bytes;
  }
  while (bytes < text.size() && bytes > 0 &&
         (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) {
    --bytes;
  }
  return std::string(text.substr(0, bytes));
}

}  // namespace

std::string fitted(std::string_view line, std::size_t columns) {
  while (characters_in(line) > columns) {
    const std::size_t gap = line.rfind("  ");
    if (gap == std::string_view::npos || gap == 0) {
      return first_characters(line, columns);
    }
    line = line.substr(0, line.find_last_not_of(' ', gap) + 1);
  }
  return std::string(line);
}

void RecentRate::add(double amount, double seconds) {
  parts_.push_back({amount, seconds});
  amount_ += amount;
  seconds_ += seconds;
  while (parts_.size() > 1 && seconds_ - parts_.front().seconds >= window_) {
    amount_ -= parts_.front().amount;
    seconds_ -= parts_.front().seconds;
    parts_.pop_front();
  }
}

namespace {

constexpr double kWindowSeconds = 30;

}  // namespace

Progress::Progress(std::string label,
                   std::uint64_t total,
                   std::uint64_t before,
                   Lines lines)
    : label_(std::move(label)),
      total_(total),
      lines_(lines),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(Clock::now()),
      shown_(start_),
      shown_done_(before),
      rate_(kWindowSeconds) {}

Progress::~Progress() {
  if (open_) {
    std::fputc('\n', stderr);
  }
}

double Progress::seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

std::string Progress::line(std::uint64_t done, std::string_view detail) const {
  if (total_ == 0) {
    return fmt::format("{}  {}", label_, detail);
  }
  const double share = static_cast<double>(done) / static_cast<double>(total_);
  const double left = done < total_ ? static_cast<double>(total_ - done) : 0;
  const std::string time =
      left > 0 && rate_.value() > 0
          ? "  " + duration_text(left / rate_.value()) + " left"
          : "";
  return fmt::format("{}  {:5.1f} %{}  {}", label_, 100 * share, time, detail);
}

// Adds what was done since the last line.
void Progress::count(std::uint64_t done) {
  const auto now = Clock::now();
  const std::uint64_t more = done - std::min(done, shown_done_);
  rate_.add(static_cast<double>(more),
            std::chrono::duration<double>(now - shown_).count());
  shown_ = now;
  shown_done_ = done;
}

void Progress::update(std::uint64_t done, std::string_view detail) {
  const auto pause = terminal_ ? std::chrono::milliseconds(250)
                               : std::chrono::milliseconds(10000);
  const bool shows = terminal_ || lines_ == Lines::kByTime;
  if (!shows || Clock::now() - shown_ < pause) {
    return;
  }
  count(done);
  show(line(done, detail));
}

void Progress::print(std::uint64_t done, std::string_view detail) {
  count(done);
  write(printable(line(done, detail)) + "\n");
  open_ = false;
}

void Progress::finish(std::string_view detail, End end) {
  constexpr int kPatience = 1000;  // milliseconds, for a line printed once
  const bool done = end == End::kDone;
  const std::string word =
      done ? coloured("done", Colour::kGreen, STDERR_FILENO)
           : coloured("stopped", Colour::kYellow, STDERR_FILENO);
  write(fmt::format("{}  {} {} {}  {}\n",
                    printable(label_),
                    word,
                    done ? "in" : "after",
                    duration_text(seconds()),
                    printable(detail)),
        kPatience);
  open_ = false;
}

void Progress::show(const std::string& line) {
  const std::string text = printable(line);
  const auto columns = terminal_columns(STDERR_FILENO);
  // Some terminals begin a new line after the last column.
  write(terminal_ ? fitted(text, columns.value_or(80) - 1) : text + "\n");
  open_ = terminal_;
}

void Progress::write(const std::string& text, int patience) const {
  if (!can_write(STDERR_FILENO, patience)) {
    return;  // nobody reads, and the work must not wait
  }
  std::fputs(((terminal_ ? "\r\033[K" : "") + text).c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace dure
