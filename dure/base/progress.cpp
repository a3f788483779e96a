#include "dure/base/progress.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utility>

#include "dure/base/process.h"
#include "dure/base/quote.h"

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

// As much of it as one line of the terminal takes: more would wrap, and the
// next could not be drawn over it.
std::string cut_to_terminal(std::string line) {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2) {
    return line;
  }
  return first_characters(line, size.ws_col - 1U);
}

}  // namespace

std::string first_characters(std::string_view text, std::size_t most) {
  std::size_t characters = 0;
  std::size_t bytes = 0;
  for (; bytes < text.size(); ++bytes) {
    const bool begins =
        (static_cast<unsigned char>(text[bytes]) & 0xc0) != 0x80;
    characters += begins ? 1 : 0;
    if (characters > most) {
      break;
    }
  }
  return std::string(text.substr(0, bytes));
}

Progress::Progress(std::string label, std::uint64_t total, Lines lines)
    : label_(std::move(label)),
      total_(total),
      lines_(lines),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(Clock::now()),
      shown_(start_) {}

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
  const std::string left =
      done == 0 || done >= total_
          ? ""
          : "  " + duration_text(seconds() * (1 - share) / share) + " left";
  return fmt::format("{}  {:5.1f} %  {}{}", label_, 100 * share, detail, left);
}

void Progress::update(std::uint64_t done, std::string_view detail) {
  const auto now = Clock::now();
  const auto pause = terminal_ ? std::chrono::milliseconds(250)
                               : std::chrono::milliseconds(10000);
  if (now - shown_ < pause || (!terminal_ && lines_ == Lines::kAsked)) {
    return;
  }
  shown_ = now;
  show(line(done, detail), Line::kRedrawn);
}

void Progress::print(std::uint64_t done, std::string_view detail) {
  shown_ = Clock::now();
  show(line(done, detail), Line::kStays);
}

void Progress::finish(std::string_view detail) {
  show(fmt::format(
           "{}  done in {}  {}", label_, duration_text(seconds()), detail),
       Line::kStays);
}

void Progress::show(const std::string& line, Line kind) {
  if (!can_write(STDERR_FILENO, 0)) {
    return;  // nobody reads, and the work is not to wait for it
  }
  const bool redrawn = terminal_ && kind == Line::kRedrawn;
  const std::string text = printable(line);
  const std::string shown = redrawn ? cut_to_terminal(text) : text;
  const char* start = terminal_ ? "\r\033[K" : "";
  std::fputs((start + shown + (redrawn ? "" : "\n")).c_str(), stderr);
  std::fflush(stderr);
  open_ = redrawn;
}

}  // namespace dure
