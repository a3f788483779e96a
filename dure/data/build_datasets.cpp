#include "dure/data/build_datasets.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/core.h>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/quote.h"
#include "dure/data/blended_dataset.h"
#include "dure/data/gpt_dataset.h"
#include "dure/data/split.h"

namespace dure::data {
namespace {

// A data set of a blend: its sequences and its weight.
struct Source {
  double weight = 0;
  std::shared_ptr<const IndexedDataset> data;
  Range range;
  std::int64_t tokens = 0;
};

const std::vector<std::string>& list_of(const DataConfig& config, Part part) {
  switch (part) {
    case Part::kValidation:
      return config.validation;
    case Part::kTest:
      return config.test;
    case Part::kTrain:
      break;
  }
  return config.train;
}

// Makes the weights add up to 1.
template <typename Weighed>
void normalize(std::vector<Weighed>& parts) {
  double sum = 0;
  for (const Weighed& part : parts) {
    sum += part.weight;
  }
  for (Weighed& part : parts) {
    const double share = part.weight / sum;
    if (!(share > 0 && std::isfinite(sum))) {
      throw UsageError(
          "the weights of a blend: wanted numbers that can be "
          "added up and compared, got {:g} of {:g}",
          part.weight,
          sum);
    }
    part.weight = share;
  }
}

class Builder {
 public:
  Builder(const DataConfig& config, const BuildOptions& options)
      : config_(config), options_(options) {
    check();
    for (const Part part : {Part::kTrain, Part::kValidation, Part::kTest}) {
      for (const BlendSource& entry : parse_blend(list_of(config_, part))) {
        open(entry.prefix);
      }
    }
  }

  Datasets build() {
    const SampleCounts& samples = options_.samples;
    warn_if_unread(Part::kValidation, samples.validation);
    warn_if_unread(Part::kTest, samples.test);
    Datasets sets;
    if (samples.train != 0) {
      check_given(Part::kTrain);
      const std::vector<Source> sources = weighed_sources(Part::kTrain);
      sets.train = blend(sources, samples.train);
      sets.identity = identity_of(sources);
      sets.epochs = epochs_of(sources, samples.train);
    }
    if (samples.validation != 0 && gives(config_, Part::kValidation)) {
      sets.validation =
          blend(weighed_sources(Part::kValidation), samples.validation);
    }
    if (samples.test != 0 && gives(config_, Part::kTest)) {
      sets.test = test_set(samples.test);
    }
    return sets;
  }

  Mixture once(Part part) {
    check_given(part);
    Mixture all;
    for (const Source& source : sources(part)) {
      auto dataset = gpt(source, GptDatasetOptions::kOneEpoch);
      const double weight = source.weight > 0
                                ? source.weight
                                : static_cast<double>(dataset->size());
      all.push_back({weight, std::move(dataset)});
    }
    normalize(all);
    return all;
  }

 private:
  void check() const {
    if (!config_.split.empty() &&
        !(config_.validation.empty() && config_.test.empty())) {
      throw UsageError(
          "data.split cuts data.train into three parts; leave data.validation "
          "and data.test away, or data.split");
    }
  }

  void warn_if_unread(Part part, std::int64_t samples) const {
    if (samples == 0 && options_.log != nullptr && gives(config_, part)) {
      options_.log->warning(fmt::format(
          "there is {} data, but nothing in this run reads it{}",
          name_of(part),
          part == Part::kValidation ? "; train.evaluate_every says how often"
                                    : ""));
    }
  }

  void check_given(Part part) const {
    if (config_.train.empty() &&
        (part == Part::kTrain || !config_.split.empty())) {
      throw UsageError(
          "data.train is empty; name a data set that dure preprocess wrote, by "
          "its prefix");
    }
    if (!gives(config_, part)) {
      throw UsageError(
          config_.split.empty()
              ? fmt::format("data.{} names no data set", name_of(part))
              : fmt::format(
                    "there is nothing for {}: its share in the split {} is 0; "
                    "give it a share above 0, or take another part",
                    name_of(part),
                    quoted(config_.split)));
    }
  }

  std::shared_ptr<const IndexedDataset> open(const std::string& prefix) {
    auto& data = open_[prefix];
    if (data == nullptr) {
      data = std::make_shared<const IndexedDataset>(prefix);
    }
    return data;
  }

  // The test set. A list of data sets must be long enough for a sample. A share
  // of a split that is too small for one gives no evaluation at the end, and a
  // warning.
  std::unique_ptr<Dataset> test_set(std::int64_t samples) {
    std::vector<Source> all;
    try {
      all = weighed_sources(Part::kTest);
    } catch (const UsageError&) {
      throw;
    } catch (const Error& error) {
      if (config_.split.empty() || options_.log == nullptr) {
        throw;
      }
      options_.log->warning(
          fmt::format("the test data is never evaluated: {}", error.what()));
      return nullptr;
    }
    return blend(all, samples);
  }

  std::vector<Source> sources(Part part) {
    const bool split = !config_.split.empty();
    std::vector<Source> sources;
    for (const BlendSource& entry :
         parse_blend(split ? config_.train : list_of(config_, part))) {
      auto data = open(entry.prefix);
      const std::int64_t all = data->sequences();
      const Range range =
          split ? split_ranges(parse_split(config_.split),
                               all)[static_cast<std::size_t>(part)]
                : Range{0, all};
      const std::int64_t tokens =
          tokens_for_samples(*data, range, config_.sequence);
      sources.push_back({entry.weight, std::move(data), range, tokens});
    }
    return sources;
  }

  // Unweighted data sets count by their tokens.
  std::vector<Source> weighed_sources(Part part) {
    std::vector<Source> all = sources(part);
    for (Source& source : all) {
      if (source.weight == 0) {
        source.weight = static_cast<double>(source.tokens);
      }
    }
    normalize(all);
    return all;
  }

  DataIdentity identity_of(const std::vector<Source>& sources) const {
    DataIdentity identity = {
        .order = options_.order, .sequence = config_.sequence, .parts = {}};
    for (const Source& source : sources) {
      identity.parts.push_back({.prefix = source.data->prefix(),
                                .contents = contents_of(*source.data),
                                .range = source.range,
                                .weight = source.weight});
    }
    return identity;
  }

  std::int64_t epochs_of(const std::vector<Source>& sources,
                         std::int64_t samples) const {
    std::int64_t most = 0;
    for (const Source& source : sources) {
      const std::int64_t share =
          sources.size() == 1 ? samples : blend_share(source.weight, samples);
      const EpochPlan plan = plan_epochs(
          tokens_for_samples(*source.data, source.range, config_.sequence),
          config_.sequence,
          share);
      most = std::max(most, plan.epochs);
    }
    return most;
  }

  std::unique_ptr<Dataset> blend(const std::vector<Source>& sources,
                                 std::int64_t samples) const {
    if (sources.size() == 1) {
      return gpt(sources[0], samples);
    }
    std::vector<std::unique_ptr<Dataset>> parts;
    std::vector<double> weights;
    for (const Source& source : sources) {
      parts.push_back(gpt(source, blend_share(source.weight, samples)));
      weights.push_back(source.weight);
    }
    return std::make_unique<BlendedDataset>(std::move(parts), weights, samples);
  }

  std::unique_ptr<Dataset> gpt(const Source& source,
                               std::int64_t samples) const {
    return std::make_unique<GptDataset>(
        source.data,
        GptDatasetOptions{.range = source.range,
                          .sequence = config_.sequence,
                          .samples = samples,
                          .order = options_.order,
                          .seed = options_.seed,
                          .vocabulary = options_.vocabulary,
                          .index_cache = config_.index_cache,
                          .log = options_.log});
  }

  const DataConfig& config_;
  const BuildOptions& options_;
  std::map<std::string, std::shared_ptr<const IndexedDataset>> open_;
};

}  // namespace

Datasets build_datasets(const DataConfig& config, const BuildOptions& options) {
  return Builder(config, options).build();
}

const char* name_of(Part part) {
  constexpr std::array kNames = {"train", "validation", "test"};
  return kNames[static_cast<std::size_t>(part)];
}

bool gives(const DataConfig& config, Part part) {
  if (config.split.empty()) {
    return !list_of(config, part).empty();
  }
  return !config.train.empty() &&
         parse_split(config.split)[static_cast<std::size_t>(part)] > 0;
}

Mixture open_once(const DataConfig& config,
                  Part part,
                  const BuildOptions& options) {
  return Builder(config, options).once(part);
}

}  // namespace dure::data
