#include "dure/data/split.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "dure/base/check.h"
#include "dure/base/quote.h"

namespace dure::data {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') {
    text.remove_prefix(1);
  }
  while (!text.empty() && text.back() == ' ') {
    text.remove_suffix(1);
  }
  return text;
}

// A number; not-a-number if no double holds it.
std::optional<double> number(std::string_view text) {
  text = trimmed(text);
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc::invalid_argument || stop != end) {
    return std::nullopt;
  }
  return error == std::errc() ? value
                              : std::numeric_limits<double>::quiet_NaN();
}

[[noreturn]] void refuse_split(const std::string& text) {
  throw UsageError(
      "data.split: wanted one to three shares, such as \"969,30,1\", not {}",
      quoted(text));
}

}  // namespace

Shares parse_split(const std::string& text) {
  Shares shares{};
  std::size_t begin = 0;
  std::size_t count = 0;
  while (begin <= text.size()) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    const auto share =
        number(std::string_view(text).substr(begin, comma - begin));
    if (count == kSplits || !share || !(*share >= 0)) {
      refuse_split(text);
    }
    shares[count++] = *share;
    begin = comma + 1;
  }
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  if (!(sum > 0 && std::isfinite(sum))) {
    refuse_split(text);
  }
  return shares;
}

std::array<Range, kSplits> split_ranges(const Shares& shares,
                                        std::int64_t sequences) {
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  std::array<Range, kSplits> ranges;
  double cumulated = 0;
  std::int64_t begin = 0;
  for (int i = 0; i < kSplits; ++i) {
    cumulated += shares[i] / sum;
    const auto end = static_cast<std::int64_t>(
        std::nearbyint(cumulated * static_cast<double>(sequences)));
    ranges[i] = {begin, end};
    begin = end;
  }
  return ranges;
}

std::vector<BlendSource> parse_blend(const std::vector<std::string>& list) {
  const bool weighted = !list.empty() && number(list[0]).has_value();
  std::vector<BlendSource> parts;
  if (!weighted) {
    for (const std::string& prefix : list) {
      parts.push_back({.prefix = prefix});
    }
    return parts;
  }
  for (std::size_t i = 0; i < list.size(); i += 2) {
    const auto weight = number(list[i]);
    if (!weight || !(*weight > 0 && std::isfinite(*weight)) ||
        i + 1 == list.size()) {
      throw UsageError(
          "data: wanted a weight above 0 and a prefix in turn, found {}{}",
          quoted(list[i]),
          i + 1 == list.size() ? " at the end" : "");
    }
    parts.push_back({*weight, list[i + 1]});
  }
  return parts;
}

}  // namespace dure::data
