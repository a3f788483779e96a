#include "dure/report/trace_events.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "dure/base/check.h"
#include "dure/base/quote.h"
#include "dure/mesh/mesh.h"

namespace dure::report {
namespace {

using nlohmann::json;
using parallel::Action;
using parallel::Pass;

constexpr int kMostNumber = 1'000'000'000;

// Takes the digits with which `text` begins.
std::optional<int> take_number(std::string_view& text) {
  int number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0 || number > kMostNumber) {
    return std::nullopt;
  }
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

std::optional<Pass> pass_of(char letter) {
  switch (letter) {
    case 'F':
      return Pass::kForward;
    case 'B':
      return Pass::kBackward;
    case 'W':
      return Pass::kWeightGradient;
    case 'U':
      return Pass::kUpdate;
    default:
      return std::nullopt;
  }
}

// Parses "F3" or "F3.1", the form of parallel::text_of().
std::optional<Action> action_of(std::string_view text) {
  const auto pass = text.empty() ? std::nullopt : pass_of(text[0]);
  if (!pass) {
    return std::nullopt;
  }
  text.remove_prefix(1);
  const auto micro_batch = take_number(text);
  std::optional<int> chunk = 0;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    chunk = take_number(text);
  }
  if (!micro_batch || !chunk || !text.empty()) {
    return std::nullopt;
  }
  return Action{.pass = *pass, .chunk = *chunk, .micro_batch = *micro_batch};
}

// Parses "step 12".
std::optional<int> step_of(std::string_view text) {
  if (!text.starts_with("step ")) {
    return std::nullopt;
  }
  text.remove_prefix(5);
  const auto step = take_number(text);
  return text.empty() ? step : std::nullopt;
}

// Reads {"traceEvents": [{...}, ...]}: an event is an object on the third
// level. Deeper levels are skipped.
class Reader : public nlohmann::json_sax<json> {
 public:
  Reader(std::string_view text, const std::string& source)
      : text_(text), source_(source) {}

  TraceEvents take() {
    if (!array_) {
      throw Error("{}: wanted an object with a list \"traceEvents\"", source_);
    }
    return std::move(events_);
  }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t value) override {
    return number(static_cast<double>(value));
  }
  bool number_unsigned(number_unsigned_t value) override {
    return number(static_cast<double>(value));
  }
  bool number_float(number_float_t value, const string_t&) override {
    return number(value);
  }
  bool string(string_t& value) override {
    if (level_ == kEvent) {
      if (key_ == "name") {
        name_ = value;
      } else if (key_ == "cat") {
        row_ = value;
      } else if (key_ == "ph") {
        phase_ = value;
      }
    }
    return true;
  }
  bool binary(binary_t&) override { return true; }
  bool key(string_t& key) override {
    if (level_ == kEvent || level_ == kRoot) {
      key_ = key;
    }
    return true;
  }
  bool start_object(std::size_t) override {
    if (++level_ == kEvent) {
      name_.clear();
      row_.clear();
      phase_.clear();
      pid_ = start_ = duration_ = -1;
    }
    return true;
  }
  bool end_object() override {
    if (level_-- == kEvent && array_) {
      ++count_;
      if (phase_ == "X") {
        take_event();
      }
    }
    return true;
  }
  bool start_array(std::size_t) override {
    if (++level_ == kArray) {
      array_ = key_ == "traceEvents";
    }
    return true;
  }
  bool end_array() override {
    --level_;
    return true;
  }
  bool parse_error(std::size_t position,
                   const std::string&,
                   const nlohmann::detail::exception& error) override {
    const std::size_t end = std::min(position, text_.size());
    const auto lines = std::count(
        text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(end), '\n');
    throw Error("{}:{}: not JSON: {}", source_, lines + 1, error.what());
  }

 private:
  static constexpr int kRoot = 1;
  static constexpr int kArray = 2;
  static constexpr int kEvent = 3;

  [[noreturn]] void refuse(const char* what) const {
    throw Error(
        "{}: event {} ({}): {}", source_, count_, shown_name(name_), what);
  }

  bool number(double value) {
    if (level_ == kEvent) {
      if (key_ == "pid") {
        pid_ = value;
      } else if (key_ == "ts") {
        start_ = value;
      } else if (key_ == "dur") {
        duration_ = value;
      }
    }
    return true;
  }

  int rank() const {
    if (!(pid_ >= 0 && pid_ < mesh::kMostRanks) || pid_ != std::floor(pid_)) {
      refuse("wanted a rank as \"pid\"");
    }
    return static_cast<int>(pid_);
  }

  void take_event() {
    const int rank_of_event = rank();
    if (!(start_ >= 0 && duration_ >= 0)) {
      refuse("wanted microseconds of 0 or more as \"ts\" and \"dur\"");
    }
    const double start = 1e-6 * start_;
    const double seconds = 1e-6 * duration_;
    if (row_ == "pipeline") {
      const auto action = action_of(name_);
      if (!action) {
        refuse("wanted the name of an action, such as F3 or B2.1");
      }
      events_.actions.push_back({.rank = rank_of_event,
                                 .action = *action,
                                 .start = start,
                                 .seconds = seconds});
    } else if (row_ == "step") {
      const auto step = step_of(name_);
      if (!step) {
        refuse("wanted a name such as \"step 12\"");
      }
      events_.steps.push_back({.rank = rank_of_event,
                               .step = *step,
                               .start = start,
                               .seconds = seconds});
    } else {
      OperationSum& sum = events_.operations[{row_, name_}];
      ++sum.count;
      sum.seconds += seconds;
    }
  }

  std::string_view text_;
  std::string source_;
  TraceEvents events_;
  int level_ = 0;
  bool array_ = false;
  std::uint64_t count_ = 0;
  std::string key_, name_, row_, phase_;
  double pid_ = -1;
  double start_ = -1;
  double duration_ = -1;
};

}  // namespace

TraceEvents read_trace(std::string_view text, const std::string& source) {
  Reader reader(text, source);
  json::sax_parse(text.begin(), text.end(), &reader);
  return reader.take();
}

}  // namespace dure::report
