#include "dure/comm/same.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fmt/core.h>
#include <map>
#include <string_view>

#include "dure/base/fingerprint.h"
#include "dure/base/quote.h"

namespace dure::comm {
namespace {

// The most bytes shown of a key and of a value; the rest is cut.
constexpr std::size_t kShown = 200;
using Shown = std::array<char, kShown>;

constexpr std::string_view kNothing = "nothing";

std::uint64_t fingerprint_of(const Facts& facts) {
  std::string all;
  for (const auto& [key, value] : facts) {
    all += key;
    all += '\0';
    all += value;
    all += '\0';
  }
  return fingerprint(all);
}

std::vector<std::int64_t> gather(Communicator& ranks, std::int64_t mine) {
  Stream host = host_stream();
  std::vector<std::int64_t> all(static_cast<std::size_t>(ranks.size()));
  ranks.run(host,
            AllGather{.y = Tensor(all.data(), {std::ssize(all)}, DType::kI64),
                      .x = Tensor(&mine, {1}, DType::kI64)});
  return all;
}

Shown shown(std::string_view text) {
  Shown result{};
  std::copy_n(text.begin(), std::min(text.size(), kShown - 1), result.begin());
  return result;
}

std::vector<std::string> gather(Communicator& ranks, const Shown& mine) {
  Stream host = host_stream();
  std::vector<Shown> all(static_cast<std::size_t>(ranks.size()));
  const auto bytes = static_cast<std::int64_t>(kShown);
  Shown copy = mine;
  ranks.run(
      host,
      AllGather{.y = Tensor(all.data(), {bytes * ranks.size()}, DType::kU8),
                .x = Tensor(copy.data(), {bytes}, DType::kU8)});
  std::vector<std::string> texts;
  for (const Shown& text : all) {
    texts.push_back(printable(text.data()));
  }
  return texts;
}

// A number for each of the first rank's facts.
std::vector<std::int64_t> numbers_of_first(Communicator& ranks,
                                           const Facts& facts) {
  Stream host = host_stream();
  std::int64_t count = std::ssize(facts);
  ranks.run(host, Broadcast{.x = Tensor(&count, {1}, DType::kI64)});
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(count));
  if (ranks.rank() == 0) {
    std::transform(
        facts.begin(), facts.end(), numbers.begin(), [](const auto& fact) {
          return static_cast<std::int64_t>(fingerprint_of({fact}));
        });
  }
  ranks.run(host, Broadcast{.x = Tensor(numbers.data(), {count}, DType::kI64)});
  return numbers;
}

// The first fact that differs from the first rank's. If none differs and this
// rank has more, it is the first rank's number of facts.
std::int64_t first_other(const std::vector<std::int64_t>& numbers,
                         const Facts& facts) {
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i >= facts.size() ||
        static_cast<std::int64_t>(fingerprint_of({facts[i]})) != numbers[i]) {
      return static_cast<std::int64_t>(i);
    }
  }
  return std::ssize(numbers);
}

std::int64_t least(Communicator& ranks, std::int64_t value) {
  Stream host = host_stream();
  const Tensor x(&value, {1}, DType::kI64);
  ranks.run(host, AllReduce{.y = x, .x = x, .reduction = Reduction::kMin});
  return value;
}

std::string_view value_of(const Facts& facts, std::string_view key) {
  const auto found =
      std::find_if(facts.begin(), facts.end(), [&](const auto& fact) {
        return fact.first == key;
      });
  return found == facts.end() ? kNothing : std::string_view(found->second);
}

// "rank 3", "ranks 0-2, 4".
std::string list_of(const std::vector<std::size_t>& ranks) {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (std::size_t i = 0; i < ranks.size();) {
    std::size_t last = i;
    while (last + 1 < ranks.size() && ranks[last + 1] == ranks[last] + 1) {
      ++last;
    }
    text += (i > 0 ? ", " : "") + std::to_string(ranks[i]);
    text += last > i ? "-" + std::to_string(ranks[last]) : "";
    i = last + 1;
  }
  return text;
}

// "ranks 0-2 have 2, rank 3 has 3", ordered by the first rank of each value.
std::string values_by_rank(const std::vector<std::string>& values) {
  std::map<std::string, std::vector<std::size_t>> holders;
  std::vector<std::string> order;
  for (std::size_t rank = 0; rank < values.size(); ++rank) {
    auto& ranks = holders[values[rank]];
    if (ranks.empty()) {
      order.push_back(values[rank]);
    }
    ranks.push_back(rank);
  }
  std::string text;
  for (const std::string& value : order) {
    const auto& ranks = holders[value];
    text += fmt::format("{}{}{}{}",
                        text.empty() ? "" : ", ",
                        list_of(ranks),
                        ranks.size() == 1 ? " has " : " have ",
                        value.empty() ? "none" : value);
  }
  return text;
}

}  // namespace

void expect_same(Communicator& ranks, const Facts& facts) {
  const auto all =
      gather(ranks, static_cast<std::int64_t>(fingerprint_of(facts)));
  if (std::all_of(all.begin(), all.end(), [&](std::int64_t other) {
        return other == all.front();
      })) {
    return;
  }
  const auto first = static_cast<std::size_t>(
      least(ranks, first_other(numbers_of_first(ranks, facts), facts)));
  const bool has = first < facts.size();
  const auto keys =
      gather(ranks, shown(has ? std::string_view(facts[first].first) : ""));
  // The key of the first rank, or of a rank that has more facts.
  const std::string& key = *std::find_if(
      keys.begin(), keys.end() - 1, [](const auto& k) { return !k.empty(); });
  const auto values = gather(ranks, shown(value_of(facts, key)));
  throw UsageError(
      "the ranks of this run do not agree on {}: {}; start all of "
      "them with the same program, options, configuration and "
      "files (on disks of their own, some may be old copies)",
      key,
      values_by_rank(values));
}

}  // namespace dure::comm
