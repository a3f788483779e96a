#include "dure/data/build_datasets.h"

#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "dure/base/check.h"
#include "dure/data/blended_dataset.h"
#include "dure/data/gpt_dataset.h"
#include "dure/data/split.h"

namespace dure::data {
namespace {

// A part of a blend: which sequences of which data set, with what weight.
struct Source {
  double weight = 0;
  std::shared_ptr<const IndexedDataset> data;
  Range range;
};

class Builder {
 public:
  Builder(const DataConfig& config, const BuildOptions& options)
      : config_(config), options_(options) {}

  Datasets build() {
    check();
    const SampleCounts& samples = options_.samples;
    if (config_.split.empty()) {
      return {part(config_.train, nullptr, samples.train, 0),
              part(config_.validation, nullptr, samples.validation, 0),
              part(config_.test, nullptr, samples.test, 0)};
    }
    const Shares shares = parse_split(config_.split);
    return {part(config_.train, &shares, samples.train, 0),
            part(config_.train, &shares, samples.validation, 1),
            part(config_.train, &shares, samples.test, 2)};
  }

 private:
  void check() const {
    if (!config_.split.empty() &&
        !(config_.validation.empty() && config_.test.empty())) {
      throw UsageError(
          "data.split cuts data.train into three parts; leave data.validation "
          "and data.test away, or data.split");
    }
    if (config_.train.empty() && options_.samples.train != 0) {
      throw UsageError(
          "data.train is empty; name a data set that dure preprocess wrote, by "
          "its prefix");
    }
  }

  // `shares`: cut every data set by them and take the cut `which`.
  std::unique_ptr<Dataset> part(const std::vector<std::string>& list,
                                const Shares* shares,
                                std::int64_t samples,
                                int which) {
    if (samples == 0 || list.empty() ||
        (shares != nullptr && (*shares)[which] == 0)) {
      return nullptr;
    }
    std::vector<Source> sources;
    for (const BlendPart& entry : parse_blend(list)) {
      auto data = open(entry.prefix);
      const Range range = shares == nullptr
                              ? Range{0, data->sequences()}
                              : split_ranges(*shares, data->sequences())[which];
      sources.push_back({entry.weight, std::move(data), range});
    }
    weigh(sources);
    return blend(sources, samples);
  }

  std::shared_ptr<const IndexedDataset> open(const std::string& prefix) {
    auto& data = open_[prefix];
    if (data == nullptr) {
      data = std::make_shared<const IndexedDataset>(prefix);
    }
    return data;
  }

  // Unweighted data sets count by their tokens; then all add up to 1.
  static void weigh(std::vector<Source>& sources) {
    double sum = 0;
    for (Source& source : sources) {
      if (source.weight == 0) {
        source.weight =
            static_cast<double>(tokens_in(*source.data, source.range));
      }
      sum += source.weight;
    }
    for (Source& source : sources) {
      source.weight = sum > 0 ? source.weight / sum : 1;
    }
  }

  std::unique_ptr<Dataset> blend(const std::vector<Source>& sources,
                                 std::int64_t samples) const {
    if (sources.size() == 1) {
      return gpt(sources[0], samples);
    }
    const bool one_epoch = samples == SampleCounts::kOneEpoch;
    std::vector<std::unique_ptr<Dataset>> parts;
    std::vector<double> weights;
    std::int64_t total = 0;
    for (const Source& source : sources) {
      parts.push_back(gpt(
          source, one_epoch ? samples : blend_share(source.weight, samples)));
      total += parts.back()->size();
      weights.push_back(source.weight);
    }
    if (one_epoch) {
      for (std::size_t i = 0; i < parts.size(); ++i) {
        weights[i] =
            static_cast<double>(parts[i]->size()) / static_cast<double>(total);
      }
    }
    return std::make_unique<BlendedDataset>(
        std::move(parts), weights, one_epoch ? total : samples);
  }

  std::unique_ptr<Dataset> gpt(const Source& source,
                               std::int64_t samples) const {
    return std::make_unique<GptDataset>(
        source.data,
        GptDatasetOptions{.range = source.range,
                          .sequence = config_.sequence,
                          .samples = samples == SampleCounts::kOneEpoch
                                         ? GptDatasetOptions::kOneEpoch
                                         : samples,
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

}  // namespace dure::data
