#include "dure/launch/slurm.h"

#include <charconv>
#include <fmt/core.h>
#include <optional>

#include "dure/base/check.h"
#include "dure/base/quote.h"

namespace dure::mesh {
namespace {

// The most names that a list may expand to. A larger one is a typing error.
constexpr std::size_t kMost = kMostRanks;

[[noreturn]] void refuse_nodes(std::string_view text, std::string_view why) {
  throw Error("wanted Slurm's list of nodes, as node[01-03,7],gpu5, got {}: {}",
              quoted(text),
              why);
}

[[noreturn]] void refuse_tasks(std::string_view text) {
  throw Error("wanted Slurm's tasks per node, as 4(x2),3, got {}",
              quoted(text));
}

// A number below a billion, of digits only.
std::optional<int> number(std::string_view digits) {
  constexpr std::size_t kMostDigits = 9;
  int value = 0;
  const char* end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, value);
  const bool good = read.ec == std::errc() && read.ptr == end && value >= 0 &&
                    digits.size() <= kMostDigits && digits.front() != '-';
  return good ? std::optional(value) : std::nullopt;
}

// The pieces between commas outside brackets.
std::vector<std::string_view> split_at_commas(std::string_view text) {
  std::vector<std::string_view> pieces;
  std::size_t start = 0;
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    depth += text[i] == '[' ? 1 : text[i] == ']' ? -1 : 0;
    if (text[i] == ',' && depth == 0) {
      pieces.push_back(text.substr(start, i - start));
      start = i + 1;
    }
  }
  pieces.push_back(text.substr(start));
  return pieces;
}

// "01-03" gives 01, 02, 03, as wide as the first number; "7" gives 7.
std::vector<std::string> parse_range(std::string_view range,
                                     std::string_view text) {
  const std::size_t dash = range.find('-');
  const std::string_view low = range.substr(0, dash);
  const std::string_view high =
      dash == std::string_view::npos ? low : range.substr(dash + 1);
  const auto first = number(low);
  const auto last = number(high);
  if (!first || !last || *last < *first ||
      static_cast<std::size_t>(*last - *first) >= kMost) {
    refuse_nodes(text, fmt::format("{} is no range", quoted(range)));
  }
  std::vector<std::string> numbers;
  for (int value = *first; value <= *last; ++value) {
    std::string digits = std::to_string(value);
    if (digits.size() < low.size()) {
      digits.insert(0, low.size() - digits.size(), '0');
    }
    numbers.push_back(std::move(digits));
  }
  return numbers;
}

std::vector<std::string> parse_brackets(std::string_view inside,
                                        std::string_view text) {
  std::vector<std::string> numbers;
  for (const std::string_view range : split_at_commas(inside)) {
    for (std::string& digits : parse_range(range, text)) {
      numbers.push_back(std::move(digits));
    }
    if (numbers.size() > kMost) {
      refuse_nodes(text, "too many nodes");
    }
  }
  return numbers;
}

// Every name with every ending.
std::vector<std::string> joined(const std::vector<std::string>& names,
                                const std::vector<std::string>& endings,
                                std::string_view text) {
  if (names.size() * endings.size() > kMost) {
    refuse_nodes(text, "too many nodes");
  }
  std::vector<std::string> result;
  for (const std::string& name : names) {
    for (const std::string& ending : endings) {
      result.push_back(name + ending);
    }
  }
  return result;
}

// "rack[1-2]node[01-04]".
std::vector<std::string> parse_name(std::string_view name,
                                    std::string_view text) {
  std::vector<std::string> names = {""};
  while (!name.empty()) {
    const std::size_t open = name.find('[');
    const std::string_view plain = name.substr(0, open);
    if (plain.find(']') != std::string_view::npos) {
      refuse_nodes(text, "a ] without its [");
    }
    names = joined(names, {std::string(plain)}, text);
    if (open == std::string_view::npos) {
      break;
    }
    const std::size_t close = name.find(']', open);
    if (close == std::string_view::npos) {
      refuse_nodes(text, "a [ without its ]");
    }
    const auto inside = name.substr(open + 1, close - open - 1);
    names = joined(names, parse_brackets(inside, text), text);
    name.remove_prefix(close + 1);
  }
  return names;
}

}  // namespace

std::vector<std::string> parse_node_list(std::string_view text) {
  std::vector<std::string> nodes;
  for (const std::string_view piece : split_at_commas(text)) {
    if (piece.empty()) {
      refuse_nodes(text, "a name is empty");
    }
    for (std::string& name : parse_name(piece, text)) {
      nodes.push_back(std::move(name));
    }
    if (nodes.size() > kMost) {
      refuse_nodes(text, "too many nodes");
    }
  }
  return nodes;
}

std::vector<int> parse_tasks_per_node(std::string_view text) {
  std::vector<int> counts;
  for (const std::string_view piece : split_at_commas(text)) {
    const std::size_t open = piece.find("(x");
    const auto tasks = number(piece.substr(0, open));
    std::optional<int> times = 1;
    if (open != std::string_view::npos) {
      const bool closed = piece.back() == ')';
      const auto digits = piece.substr(open + 2);
      times =
          closed ? number(digits.substr(0, digits.size() - 1)) : std::nullopt;
    }
    if (!tasks || !times || *times < 1 ||
        counts.size() + static_cast<std::size_t>(*times) > kMost) {
      refuse_tasks(text);
    }
    counts.insert(counts.end(), static_cast<std::size_t>(*times), *tasks);
  }
  return counts;
}

Topology topology_of(const SlurmStep& step) {
  const std::vector<std::string> nodes = parse_node_list(step.node_list);
  std::vector<int> counts = parse_tasks_per_node(step.tasks_per_node);
  if (counts.size() == 1) {
    counts.resize(nodes.size(), counts.front());
  }
  std::size_t ranks = 0;
  for (const int count : counts) {
    ranks += static_cast<std::size_t>(count);
  }
  if (ranks > kMost) {
    refuse_tasks(step.tasks_per_node);
  }
  return deal(nodes, counts, parse_distribution(step.distribution));
}

}  // namespace dure::mesh
