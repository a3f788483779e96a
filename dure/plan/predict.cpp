#include "dure/plan/predict.h"

#include <algorithm>
#include <limits>

#include "dure/train/trainer.h"

namespace dure::plan {
namespace {

// Samples of a model that nobody will see: every token is 0.
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

Prediction predict(const train::Config& config, DeviceRates rates) {
  const auto ranks = std::max<std::int64_t>(config.parallel.data, 1);
  train::Rank rank({.device = Device::kSim,
                    .rates = rates,
                    .simulated = {.ranks = static_cast<int>(ranks)}});
  train::Trainer trainer(rank, config);
  const NoData data(config.data.sequence);
  trainer.step(data);
  const double start = rank.stream.seconds();
  const train::StepResult step = trainer.step(data);
  Prediction prediction;
  prediction.step_seconds = rank.stream.seconds() - start;
  prediction.tokens_per_second =
      static_cast<double>(step.tokens) / prediction.step_seconds;
  const Ledger& ledger = rank.arena.ledger();
  for (std::size_t c = 0; c < kCategories; ++c) {
    prediction.peak_bytes[c] = ledger.peak(static_cast<Category>(c));
  }
  prediction.peak_total = ledger.peak();
  return prediction;
}

}  // namespace dure::plan
