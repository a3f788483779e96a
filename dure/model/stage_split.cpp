#include "dure/model/stage_split.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <fmt/core.h>
#include <numeric>
#include <string_view>
#include <utility>

#include "dure/base/check.h"
#include "dure/base/pcre2.h"
#include "dure/mesh/placement.h"
#include "dure/model/balance.h"
#include "dure/model/count.h"

namespace dure::model {
namespace {

using Method = StageSplit::Method;
using Counts = std::vector<std::int64_t>;

constexpr std::string_view kTypePrefix = "type:";
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
    text += type == kBlock ? fmt::format("{} blocks", blocks_of(layers))
                           : fmt::format("the {}", type);
  }
  return fmt::format("{} layers ({})", layers.size(), text);
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

// Whether a match of the pattern is found in the type's name.
bool matches(const std::string& pattern, std::string_view type) {
  if (pattern.empty()) {
    throw UsageError("type: wanted a pattern, got none");
  }
  Pcre2<pcre2_code> code;
  try {
    code = pcre2_compiled(pattern, PCRE2_CASELESS);
  } catch (const Error& error) {
    throw UsageError(
        "type:{}: wanted a regular expression: {}", pattern, error.what());
  }
  const Pcre2<pcre2_match_data> data(
      pcre2_match_data_create_from_pattern(code.get(), nullptr));
  const Pcre2<pcre2_match_context> context(pcre2_match_context_create(nullptr));
  // Nested repetitions would take forever; no type's name needs as many steps.
  pcre2_set_match_limit(context.get(), 100'000);
  const int found = pcre2_match(code.get(),
                                reinterpret_cast<PCRE2_SPTR>(type.data()),
                                type.size(),
                                0,
                                0,
                                data.get(),
                                context.get());
  if (found < 0 && found != PCRE2_ERROR_NOMATCH) {
    throw UsageError("type:{}: {}", pattern, pcre2_error_text(found));
  }
  return found >= 0;
}

Counts even_counts(const std::vector<Layer>& layers, int stages) {
  const std::int64_t blocks = blocks_of(layers);
  std::int64_t left = blocks % stages;
  Counts counts(static_cast<std::size_t>(stages), blocks / stages);
  for (int stage = 1; stage + 1 < stages && left > 0; ++stage, --left) {
    ++counts[stage];
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
    throw UsageError("wanted {} counts, one a stage, got {} in {}; even is {}",
                     stages,
                     counts.size(),
                     text_of(counts),
                     even);
  }
  const std::int64_t sum =
      std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  if (sum != std::ssize(layers) ||
      *std::min_element(counts.begin(), counts.end()) < 1) {
    throw UsageError(
        "wanted counts of 1 or more that add up to {}, got {}, "
        "which is {}; even is {}",
        layers_text(layers),
        text_of(counts),
        sum,
        even);
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
  std::vector<double> loads;
  for (const Layer& layer : layers) {
    loads.push_back(matches(pattern, layer.type) ? 1 : 0);
  }
  if (std::accumulate(loads.begin(), loads.end(), 0.0) == 0) {
    throw UsageError(
        "type:{}: wanted a pattern that matches a type of layer, "
        "embedding, block or head; got one that matches none",
        pattern);
  }
  return loads;
}

BalanceProblem times(const std::vector<Layer>& layers, const Profile& profile) {
  if (profile.layers.size() != layers.size()) {
    throw UsageError(
        "wanted a profile of {}, got one of {}; `dure plan "
        "profile` measures one",
        layers_text(layers),
        profile.layers.size());
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
  switch (split.method) {
    case Method::kEven:
      return even_counts(layers, stages);
    case Method::kCounts:
      return given_counts(layers, split.counts, stages);
    case Method::kParameters:
      return balance({.loads = parameter_loads(config, layers)}, stages);
    case Method::kTypes:
      return balance({.loads = type_loads(layers, split.pattern)}, stages);
    case Method::kProfile:
      return balance(times(layers, split.profile), stages);
  }
  return {};
}

}  // namespace

StageSplit parse_split(const std::string& text) {
  constexpr std::pair<const char*, Method> kNames[] = {
      {"even", Method::kEven},
      {"parameters", Method::kParameters},
      {"profile", Method::kProfile},
  };
  for (const auto& [name, method] : kNames) {
    if (text == name) {
      return {.method = method};
    }
  }
  if (text.starts_with(kTypePrefix)) {
    StageSplit split{.method = Method::kTypes,
                     .pattern = text.substr(kTypePrefix.size())};
    matches(split.pattern, kBlock);
    return split;
  }
  StageSplit split{.method = Method::kCounts, .counts = parse_counts(text)};
  if (split.counts.empty()) {
    throw UsageError(
        "wanted \"even\", \"parameters\", \"type:PATTERN\", \"profile\" or "
        "counts of layers such as [4, 3, 3, 4], got \"{}\"",
        text);
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
    throw UsageError(
        "wanted at most as many stages as {}, got {}; a smaller "
        "parallel.pipeline or parallel.virtual_stages would do, or "
        "model.layers of {} or more",
        layers_text(layers),
        stages,
        stages - std::ssize(layers) + blocks_of(layers));
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
