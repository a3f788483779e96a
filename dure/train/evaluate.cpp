#include "dure/train/evaluate.h"

#include <algorithm>

#include "dure/train/micro_batch.h"

namespace dure::train {

double evaluate(Rank& rank,
                const model::Decoder& decoder,
                const data::Dataset& dataset,
                const EvaluateOptions& options) {
  nn::Context ctx = rank.context(0);  // nothing is drawn
  ctx.phase = nn::Phase::kEvaluate;
  ExactSum loss_sum;
  const auto mean_of = [&](std::int64_t samples) {
    return loss_sum.value() / static_cast<double>(samples * options.sequence);
  };
  for (std::int64_t done = 0; done < options.samples;) {
    const std::int64_t most = std::min(options.micro_batch, options.samples);
    MicroBatch batch(
        rank, std::min(most, options.samples - done), options.sequence);
    // The memory of a batch serves for all that are as large.
    while (done + batch.samples() <= options.samples) {
      batch.load(dataset, done);
      decoder.evaluate(ctx, batch.loss(), batch.batch());
      loss_sum.add(batch.loss_sum());
      done += batch.samples();
      if (options.on_progress) {
        options.on_progress(done, mean_of(done));
      }
    }
  }
  return mean_of(options.samples);
}

}  // namespace dure::train
