#include "dure/train/evaluate.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "dure/parallel/pipeline/executor.h"
#include "dure/train/loss_sum.h"
#include "dure/train/micro_batch.h"

namespace dure::train {
namespace {

// Samples first .. first + count - 1 of the data set.
struct SampleRange {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

// The batch of a rank in a round. Every rank has one, because a pass through a
// model in parts takes all ranks. Past the end it is one that does not count.
SampleRange batch_of(const EvaluateOptions& options, std::int64_t number) {
  const std::int64_t first = number * options.micro_batch;
  return {.first = first,
          .count = std::clamp<std::int64_t>(
              options.samples - first, 0, options.micro_batch)};
}

// This rank's chunks. Micro-batch m is that of round first_round + m.
class EvaluationStages final : public parallel::StageModule {
 public:
  EvaluationStages(Rank& rank,
                   const RankModel& rank_model,
                   const data::Dataset& dataset,
                   const EvaluateOptions& options)
      : rank_(rank),
        rank_model_(rank_model),
        dataset_(dataset),
        options_(options) {
    ctx_.phase = nn::Phase::kEvaluate;
  }

  void begin(std::int64_t first_round) { first_round_ = first_round; }

  std::int64_t rows(int micro_batch,
                    parallel::StreamName /*stream*/) const override {
    return samples(stretch_of(micro_batch)) * options_.sequence;
  }

  parallel::Streams forward(int chunk,
                            int micro_batch,
                            parallel::Streams x) override {
    const model::Stack& stack = rank_model_.chunks()[chunk];
    const SampleRange stretch = stretch_of(micro_batch);
    // The memory of a batch is used for all batches of its size.
    if (!batch_ || batch_->samples() != samples(stretch)) {
      batch_.emplace(rank_, samples(stretch), options_.sequence);
    }
    if (stack.reads_tokens()) {
      batch_->load(dataset_, stretch.count > 0 ? stretch.first : 0);
    }
    parallel::Streams y = stack.run(ctx_, std::move(x), batch_->batch());
    if (stack.makes_loss() && stretch.count > 0) {
      losses_.add(batch_->loss());
    }
    return y;
  }

  ExactSum sum() const { return losses_.download(); }

 private:
  SampleRange stretch_of(int micro_batch) const {
    const std::int64_t round = first_round_ + micro_batch;
    return batch_of(options_, round * samples_.size() + samples_.rank());
  }
  static std::int64_t samples(const SampleRange& stretch) {
    return std::max<std::int64_t>(stretch.count, 1);
  }

  Rank& rank_;
  const RankModel& rank_model_;
  const data::Dataset& dataset_;
  const EvaluateOptions& options_;
  const comm::Communicator& samples_ = rank_.group(mesh::kSamples);
  std::int64_t first_round_ = 0;
  nn::Context ctx_ = rank_.context();
  std::optional<MicroBatch> batch_;
  LossSum losses_{rank_};
};

// The rounds that go through the pipeline without a pause: with p ranks, p - 1
// in every 5 p - 4 slots are idle.
int rounds_at_once(const Pipeline& pipeline) {
  return 4 * (pipeline.schedule.ranks - 1) + 1;
}

}  // namespace

std::optional<double> evaluate(Rank& rank,
                               const RankModel& rank_model,
                               const data::Dataset& dataset,
                               const EvaluateOptions& wanted) {
  EvaluateOptions options = wanted;
  options.micro_batch = std::min(wanted.micro_batch, wanted.samples);
  const Pipeline& pipeline = rank_model.pipeline();
  const std::int64_t N = rank.group(mesh::kSamples).size();
  // Tensor ranks have the same losses, so only the first one's count.
  const bool counts = rank.tensor().ranks->rank() == 0;
  const auto mean = [&](const ExactSum& here, std::int64_t samples) {
    const ExactSum sum = rank.control().sum(counts ? here : ExactSum());
    return sum.value() / static_cast<double>(samples * options.sequence);
  };
  EvaluationStages stages(rank, rank_model, dataset, options);
  parallel::Executor executor({.stream = &rank.stream,
                               .arena = &rank.arena,
                               .ranks = &rank.group(mesh::kStages),
                               .tensor = rank.tensor()},
                              pipeline.schedule,
                              rank_model.boundaries());
  const std::int64_t batches =
      (options.samples + options.micro_batch - 1) / options.micro_batch;
  const std::int64_t rounds = (batches + N - 1) / N;
  for (std::int64_t first = 0; first < rounds;) {
    if (options.is_stopped && options.is_stopped()) {
      return std::nullopt;
    }
    const std::int64_t last =
        std::min(first + rounds_at_once(pipeline), rounds);
    stages.begin(first);
    executor.run(forward_program(pipeline, static_cast<int>(last - first)),
                 stages);
    first = last;
    if (options.on_progress) {
      const std::int64_t done =
          std::min(options.samples, last * N * options.micro_batch);
      options.on_progress(done, mean(stages.sum(), done));
    }
  }
  return mean(stages.sum(), options.samples);
}

}  // namespace dure::train
