#include "dure/model/stage_split.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <numeric>
#include <regex>
#include <string_view>
#include <utility>

#include "dure/base/check.h"
#include "dure/mesh/placement.h"
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

constexpr std::string_view kBlock = "block";

std::int64_t blocks_of(const std::vector<Layer>& layers) {
  return std::ranges::count(layers, kBlock, &Layer::type);
}

// "14 layers (the embedding, 12 blocks, the head)".
std::string layers_text(const std::vector<Layer>& layers) {
  std::string text;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string& type = layers[i].type;
    if (i > 0 && type == kBlock && layers[i - 1].type == kBlock) {
      continue;
    }
    text += text.empty() ? "" : ", ";
    text += type == kBlock ? concat(blocks_of(layers), " blocks")
                           : concat("the ", type);
  }
  return concat(layers.size(), " layers (", text, ")");
}

// Counts of layers, as "4,3,3,4"; empty for anything else.
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
  // type's name needs a long pattern.
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

Counts even_counts(const std::vector<Layer>& layers, int stages) {
  const std::int64_t blocks = blocks_of(layers);
  std::int64_t left = blocks % stages;
  Counts counts(static_cast<std::size_t>(stages), blocks / stages);
  for (int stage = 1; stage + 1 < stages && left > 0; ++stage, --left) {
    ++counts[static_cast<std::size_t>(stage)];
  }
  const std::int64_t before =
      std::ranges::find(layers, kBlock, &Layer::type) - layers.begin();
  counts.front() += left + before;
  counts.back() += std::ssize(layers) - before - blocks;
  return counts;
}

Counts given_counts(const std::vector<Layer>& layers,
                    const Counts& counts,
                    int stages) {
  const std::string even = text_of(even_counts(layers, stages));
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
  if (sum != std::ssize(layers) ||
      *std::min_element(counts.begin(), counts.end()) < 1) {
    throw UsageError(concat("wanted counts of 1 or more that add up to ",
                            layers_text(layers),
                            ", got ",
                            text_of(counts),
                            ", which is ",
                            sum,
                            "; even is ",
                            even));
  }
  return counts;
}

// The parameters that each layer would hold on a stage of its own.
std::vector<double> parameter_loads(const ModelConfig& config,
                                    const std::vector<Layer>& layers) {
  std::vector<double> loads(layers.size());
  for (const WeightSpec& spec : weights(config)) {
    for (const int unit : spec.units) {
      loads[layer_of(layers, unit)] +=
          static_cast<double>(mesh::elements(spec.logical));
    }
  }
  return loads;
}

std::vector<double> type_loads(const std::vector<Layer>& layers,
                               const std::string& pattern) {
  const std::regex regex = regex_of(pattern);
  std::vector<double> loads;
  for (const Layer& layer : layers) {
    loads.push_back(std::regex_search(layer.type, regex) ? 1 : 0);
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

BalanceProblem times(const std::vector<Layer>& layers, const Profile& profile) {
  if (profile.layers.size() != layers.size()) {
    throw UsageError(concat("wanted a profile of ",
                            layers_text(layers),
                            ", got one of ",
                            profile.layers.size(),
                            "; `dure plan profile` measures one"));
  }
  BalanceProblem problem;
  for (const LayerProfile& layer : profile.layers) {
    problem.loads.push_back(layer.forward_seconds + layer.backward_seconds);
    // The output goes there in the forward, and its gradient back.
    problem.links.push_back(2 * layer.output_bytes /
                            profile.link_bytes_per_second);
  }
  return problem;
}

Counts counts_of(const ModelConfig& config,
                 const std::vector<Layer>& layers,
                 const StageSplit& split,
                 int stages) {
  switch (split.way) {
    case Way::kEven:
      return even_counts(layers, stages);
    case Way::kCounts:
      return given_counts(layers, split.counts, stages);
    case Way::kParameters:
      return balance({.loads = parameter_loads(config, layers)}, stages);
    case Way::kTypes:
      return balance({.loads = type_loads(layers, split.pattern)}, stages);
    case Way::kProfile:
      return balance(times(layers, split.profile), stages);
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

std::vector<Layer> split_layers(const ModelConfig& config) {
  std::vector<Layer> layers;
  int unit = 0;
  for (const UnitSpec& spec : units(config)) {
    if (!spec.layer.empty()) {
      layers.push_back({.type = spec.layer, .units = {unit, unit}});
    }
    layers.back().units.last = ++unit;
  }
  return layers;
}

std::size_t layer_of(const std::vector<Layer>& layers, int unit) {
  const auto found = std::ranges::find_if(
      layers, [unit](const Layer& layer) { return layer.units.has(unit); });
  return static_cast<std::size_t>(found - layers.begin());
}

LayerRange layers_of_units(const ModelConfig& config, UnitRange units) {
  const std::vector<Layer> layers = split_layers(config);
  return {
      .first = static_cast<std::int64_t>(layer_of(layers, units.first)),
      .last = static_cast<std::int64_t>(layer_of(layers, units.last - 1)) + 1};
}

std::vector<UnitRange> split_units(const ModelConfig& config,
                                   const StageSplit& split,
                                   int stages) {
  assert(stages >= 1);
  const std::vector<Layer> layers = split_layers(config);
  if (stages > std::ssize(layers)) {
    throw UsageError(concat("wanted at most as many stages as ",
                            layers_text(layers),
                            ", got ",
                            stages,
                            "; a smaller parallel.pipeline or "
                            "parallel.virtual_stages would do, or "
                            "model.layers of ",
                            stages - std::ssize(layers) + blocks_of(layers),
                            " or more"));
  }
  std::vector<UnitRange> ranges;
  std::size_t first = 0;
  for (const std::int64_t count : counts_of(config, layers, split, stages)) {
    const std::size_t last = first + static_cast<std::size_t>(count);
    ranges.push_back({layers[first].units.first, layers[last - 1].units.last});
    first = last;
  }
  return ranges;
}

}  // namespace dure::model
