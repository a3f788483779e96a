#include "dure/plan/simulated.h"

#include <algorithm>
#include <limits>

#include "dure/train/options.h"

namespace dure::plan {
namespace {

// A data set in which every token is 0.
class NoData final : public data::Dataset {
 public:
  explicit NoData(std::int64_t sequence) : sequence_(sequence) {}
  std::int64_t size() const override {
    return std::numeric_limits<std::int64_t>::max();
  }
  std::int64_t sample_tokens() const override { return sequence_ + 1; }
  void sample(std::int64_t /*index*/,
              std::span<std::int32_t> tokens) const override {
    std::fill(tokens.begin(), tokens.end(), 0);
  }

 private:
  std::int64_t sequence_;
};

}  // namespace

train::RankOptions simulated_rank(const train::Config& config,
                                  int rank,
                                  DeviceRates rates,
                                  const comm::SimNetwork& network) {
  train::RankOptions options = train::rank_options(config);
  options.device = Device::kSim;
  options.rates = rates;
  options.simulated.rank = rank;
  options.simulated.network = network;
  return options;
}

Simulated::Simulated(const train::RankOptions& options,
                     const train::Config& config)
    : rank_(options),
      trainer_(rank_, config),
      data_(std::make_unique<NoData>(config.data.sequence)) {}

}  // namespace dure::plan
