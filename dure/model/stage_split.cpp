#include "dure/model/stage_split.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <numeric>
#include <regex>
#include <string_view>
#include <utility>

#include "dure/base/check.h"
#include "dure/mesh/sharding.h"
#include "dure/model/balance.h"
#include "dure/model/count.h"

namespace dure::model {
namespace {

using Way = StageSplit::Way;
using Counts = std::vector<std::int64_t>;

constexpr std::string_view kTypePrefix = "type:";
constexpr std::size_t kMostPattern = 100;
constexpr std::int64_t kMostCount = std::int64_t{1} << 20;

std::string text_of(const Counts& counts) {
  std::string text = "[";
  for (const std::int64_t count : counts) {
    text += text.size() > 1 ? ", " : "";
    text += std::to_string(count);
  }
  return text + "]";
}

std::string layers_text(const ModelConfig& config) {
  return concat(split_layers(config),
                " layers (the embedding, ",
                config.layers,
                " blocks, the head)");
}

// Counts of layers, as "4,3,3,4"; none where it is not that.
Counts parse_counts(std::string_view text) {
  Counts counts;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    at = std::find_if(at, end, [](char c) { return c != ' '; });
    std::int64_t count = 0;
    const auto read = std::from_chars(at, end, count);
    if (read.ec != std::errc() || count < 1 || count > kMostCount) {
      return {};
    }
    counts.push_back(count);
    at = std::find_if(read.ptr, end, [](char c) { return c != ' '; });
    if (at == end) {
      return counts;
    }
    if (*at++ != ',') {
      return {};
    }
  }
}

std::regex regex_of(const std::string& pattern) {
  // std::regex matches by recursion, and its repetitions can take forever; no
  // type's name needs a long one.
  if (pattern.empty() || pattern.size() > kMostPattern) {
    throw UsageError(concat("type: wanted a pattern of 1 to ",
                            kMostPattern,
                            " characters, got ",
                            pattern.size()));
  }
  try {
    return std::regex(pattern, std::regex::ECMAScript | std::regex::icase);
  } catch (const std::regex_error& error) {
    throw UsageError(concat("type:",
                            pattern,
                            ": wanted a regular expression (ECMAScript): ",
                            error.what()));
  }
}

Counts even_counts(const ModelConfig& config, int stages) {
  const std::int64_t least = config.layers / stages;
  std::int64_t left = config.layers % stages;
  Counts counts(static_cast<std::size_t>(stages), least);
  for (int stage = 1; stage + 1 < stages && left > 0; ++stage, --left) {
    ++counts[static_cast<std::size_t>(stage)];
  }
  counts.front() += left + 1;  // the embedding
  counts.back() += 1;          // the head
  return counts;
}

Counts given_counts(const ModelConfig& config,
                    const Counts& counts,
                    int stages) {
  const std::string even = text_of(even_counts(config, stages));
  if (counts.size() != static_cast<std::size_t>(stages)) {
    throw UsageError(concat("wanted ",
                            stages,
                            " counts, one a stage, got ",
                            counts.size(),
                            " in ",
                            text_of(counts),
                            "; even is ",
                            even));
  }
  const std::int64_t sum =
      std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  if (sum != split_layers(config) ||
      *std::min_element(counts.begin(), counts.end()) < 1) {
    throw UsageError(concat("wanted counts of 1 or more that add up to ",
                            layers_text(config),
                            ", got ",
                            text_of(counts),
                            ", which is ",
                            sum,
                            "; even is ",
                            even));
  }
  return counts;
}

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

// Parameters that each layer would hold on a stage of its own.
std::vector<double> parameter_loads(const ModelConfig& config) {
  std::vector<double> loads(index(split_layers(config)));
  for (const WeightSpec& spec : weights(config)) {
    for (const int unit : spec.units) {
      const std::int64_t layer =
          std::min<std::int64_t>(unit, config.layers + 1);
      loads[index(layer)] += static_cast<double>(mesh::elements(spec.logical));
    }
  }
  return loads;
}

std::vector<double> type_loads(const ModelConfig& config,
                               const std::string& pattern) {
  const std::regex regex = regex_of(pattern);
  std::vector<double> loads;
  for (std::int64_t i = 0; i < split_layers(config); ++i) {
    loads.push_back(std::regex_search(layer_type(config, i), regex) ? 1 : 0);
  }
  if (std::accumulate(loads.begin(), loads.end(), 0.0) == 0) {
    throw UsageError(concat("type:",
                            pattern,
                            ": wanted a pattern that matches a type of "
                            "layer, embedding, block or head; got one that "
                            "matches none"));
  }
  return loads;
}

BalanceProblem times(const ModelConfig& config, const Profile& profile) {
  if (profile.layers.size() != index(split_layers(config))) {
    throw UsageError(concat("wanted a profile of ",
                            layers_text(config),
                            ", got one of ",
                            profile.layers.size(),
                            "; `dure plan profile` measures one"));
  }
  BalanceProblem problem;
  for (const LayerProfile& layer : profile.layers) {
    problem.loads.push_back(layer.forward_seconds + layer.backward_seconds);
    // There in the forward, and its gradient back.
    problem.links.push_back(2 * layer.output_bytes /
                            profile.link_bytes_per_second);
  }
  return problem;
}

Counts counts_of(const ModelConfig& config,
                 const StageSplit& split,
                 int stages) {
  switch (split.way) {
    case Way::kEven:
      return even_counts(config, stages);
    case Way::kCounts:
      return given_counts(config, split.counts, stages);
    case Way::kParameters:
      return balance({.loads = parameter_loads(config)}, stages);
    case Way::kTypes:
      return balance({.loads = type_loads(config, split.pattern)}, stages);
    case Way::kProfile:
      return balance(times(config, split.profile), stages);
  }
  return {};
}

}  // namespace

StageSplit parse_split(const std::string& text) {
  constexpr std::pair<const char*, Way> kNames[] = {
      {"even", Way::kEven},
      {"parameters", Way::kParameters},
      {"profile", Way::kProfile},
  };
  for (const auto& [name, way] : kNames) {
    if (text == name) {
      return {.way = way};
    }
  }
  if (text.starts_with(kTypePrefix)) {
    StageSplit split{.way = Way::kTypes,
                     .pattern = text.substr(kTypePrefix.size())};
    regex_of(split.pattern);
    return split;
  }
  StageSplit split{.way = Way::kCounts, .counts = parse_counts(text)};
  if (split.counts.empty()) {
    throw UsageError(concat(
        "wanted \"even\", \"parameters\", \"type:PATTERN\", \"profile\" or "
        "counts of layers such as [4, 3, 3, 4], got \"",
        text,
        "\""));
  }
  return split;
}

std::int64_t split_layers(const ModelConfig& config) {
  return config.layers + 2;
}

UnitRange units_of_layers(const ModelConfig& config,
                          std::int64_t first,
                          std::int64_t last) {
  const bool head = last == split_layers(config);
  return {.first = static_cast<int>(first),
          .last = static_cast<int>(last) + (head ? 1 : 0)};
}

LayerRange layers_of_units(const ModelConfig& config, UnitRange units) {
  const bool head = units.has(head_unit(config.layers));
  return {.first = units.first, .last = units.last - (head ? 1 : 0)};
}

const char* layer_type(const ModelConfig& config, std::int64_t layer) {
  if (layer == 0) {
    return "embedding";
  }
  return layer <= config.layers ? "block" : "head";
}

std::vector<UnitRange> split_units(const ModelConfig& config,
                                   const StageSplit& split,
                                   int stages) {
  assert(stages >= 1);
  if (stages > split_layers(config)) {
    throw UsageError(concat("wanted at most as many stages as ",
                            layers_text(config),
                            ", got ",
                            stages,
                            "; a smaller parallel.pipeline or "
                            "parallel.virtual_stages would do, or "
                            "model.layers of ",
                            stages - 2,
                            " or more"));
  }
  std::vector<UnitRange> units;
  std::int64_t first = 0;
  for (const std::int64_t count : counts_of(config, split, stages)) {
    units.push_back(units_of_layers(config, first, first + count));
    first += count;
  }
  return units;
}

}  // namespace dure::model
