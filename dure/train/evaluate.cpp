#include "dure/train/evaluate.h"

#include <algorithm>
#include <optional>

#include "dure/train/combine.h"
#include "dure/train/micro_batch.h"

namespace dure::train {
namespace {

// Samples first .. first + count - 1 of the data set.
struct Stretch {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

// The batch that a rank has in a round: every rank has one, as a pass through a
// model in parts takes all of them. Past the end it is one that counts nothing.
Stretch batch_of(const EvaluateOptions& options, std::int64_t number) {
  const std::int64_t first = number * options.micro_batch;
  return {.first = first,
          .count = std::clamp<std::int64_t>(
              options.samples - first, 0, options.micro_batch)};
}

// Evaluates batches on one rank. The memory of a batch serves for all that are
// as large.
class Evaluation {
 public:
  Evaluation(Rank& rank,
             const model::Decoder& decoder,
             const data::Dataset& dataset,
             std::int64_t sequence)
      : rank_(rank), decoder_(decoder), dataset_(dataset), sequence_(sequence) {
    ctx_.phase = nn::Phase::kEvaluate;
  }

  void run(const Stretch& stretch) {
    const std::int64_t samples = std::max<std::int64_t>(stretch.count, 1);
    if (!batch_ || batch_->samples() != samples) {
      batch_.emplace(rank_, samples, sequence_);
    }
    batch_->load(dataset_, stretch.count > 0 ? stretch.first : 0);
    decoder_.evaluate(ctx_, {}, batch_->loss(), batch_->batch());
    if (stretch.count > 0) {
      sum_.add(batch_->loss_sum());
    }
  }

  const ExactSum& sum() const { return sum_; }

 private:
  Rank& rank_;
  const model::Decoder& decoder_;
  const data::Dataset& dataset_;
  std::int64_t sequence_;
  nn::Context ctx_ = rank_.context(0);  // nothing is drawn
  std::optional<MicroBatch> batch_;
  ExactSum sum_;
};

}  // namespace

double evaluate(Rank& rank,
                const model::Decoder& decoder,
                const data::Dataset& dataset,
                const EvaluateOptions& options) {
  comm::Communicator& data = rank.data();
  const std::int64_t N = data.size();
  const auto mean = [&](const ExactSum& sum, std::int64_t samples) {
    return sum.value() / static_cast<double>(samples * options.sequence);
  };
  Evaluation evaluation(rank, decoder, dataset, options.sequence);
  for (std::int64_t batch = 0; batch * options.micro_batch < options.samples;
       batch += N) {
    evaluation.run(batch_of(options, batch + data.rank()));
    if (options.on_progress) {
      const Stretch last = batch_of(options, batch + N - 1);
      const std::int64_t done =
          std::min(options.samples, last.first + options.micro_batch);
      options.on_progress(done, mean(sum_over(data, evaluation.sum()), done));
    }
  }
  return mean(sum_over(data, evaluation.sum()), options.samples);
}

}  // namespace dure::train
