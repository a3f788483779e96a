#include "dure/run/step_report.h"

#include <cmath>
#include <fmt/format.h>
#include <vector>

#include "dure/base/progress.h"
#include "dure/comm/activity.h"
#include "dure/model/flops.h"
#include "dure/run/peak_flops.h"

namespace dure::train {
namespace {

// The sum over all processes.
double peak_of(Rank& rank, DType dtype) {
  comm::Communicator& world = rank.world();
  const bool measures = rank.is_first() || !world.is_one_process();
  const comm::Activity measuring(world, "measuring this machine");
  return rank.control().sum(
      measures ? measure_peak_flops(rank.stream.device(), dtype) : 0);
}

// "; the loss scale was 65536, and is now 32768", where there is one.
std::string scale_text(const StepResult& result) {
  if (!result.loss_scale) {
    return "";
  }
  return *result.loss_scale == result.next_loss_scale
             ? fmt::format("; the loss scale stays {}", *result.loss_scale)
             : fmt::format("; the loss scale was {}, and is now {}",
                           *result.loss_scale,
                           result.next_loss_scale);
}

}  // namespace

StepReport::StepReport(Rank& rank, Trainer& trainer, Log log)
    : rank_(rank),
      trainer_(trainer),
      log_(std::move(log)),
      flops_per_token_(model::flops_per_token(trainer.config().model,
                                              trainer.config().data.sequence)),
      peak_flops_(peak_of(rank, trainer.rank_model().types().compute)) {}

void StepReport::open(const Path& file) {
  file_ = std::make_unique<MetricsFile>(file, trainer_.position().step);
}

void StepReport::take(const Segment& segment) {
  take(segment, Warn::kYes);
}

void StepReport::take_failed(const Segment& segment) {
  take(segment, Warn::kNo);
  write(last_);
}

void StepReport::take(const Segment& segment, Warn last) {
  tokens_ = segment.tokens_before;
  const double seconds =
      segment.seconds / static_cast<double>(segment.results.size());
  for (const StepResult& result : segment.results) {
    const bool is_last = &result == &segment.results.back();
    if (!is_last || last == Warn::kYes) {
      warn_of_skipped(result);
    }
    take(result, seconds);
    if (!is_last) {
      write(last_);
    }
  }
}

void StepReport::warn_of_skipped(const StepResult& result) {
  if (result.skipped && rank_.is_first()) {
    log_.warning(fmt::format("step {}: {} is not finite; update left out{}",
                             result.step,
                             *result.skipped,
                             scale_text(result)));
  }
}

void StepReport::take(const StepResult& result, double seconds) {
  tokens_ += result.tokens;
  const double rate = static_cast<double>(result.tokens) / seconds;
  rate_.add(static_cast<double>(result.tokens), seconds);
  last_ = {.step = result.step,
           .loss = result.loss,
           .learning_rate = result.learning_rate,
           .grad_norm = result.grad_norm,
           .tokens = tokens_,
           .tokens_per_second = rate,
           .model_flops_utilization = rate * flops_per_token_ / peak_flops_,
           .validation_loss = {},
           .skipped = result.skipped,
           .loss_scale = result.loss_scale,
           .gradient_exponents = result.gradient_exponents};
}

void StepReport::write_last(std::optional<double> validation_loss) {
  last_.validation_loss = validation_loss;
  validation_loss_ = validation_loss ? validation_loss : validation_loss_;
  write(last_);
}

void StepReport::write(Metrics& metrics) {
  if (file_ != nullptr) {
    if (metrics.step == trainer_.position().step) {
      metrics.communicated = communicated();
    }
    const comm::Activity writing(rank_.world(), "writing metrics.jsonl");
    file_->append(metrics);
  }
}

// The axes on which there are other ranks.
std::set<std::string> StepReport::shared_axes() const {
  std::vector<const comm::Communicator*> all = {&rank_.world(),
                                                &rank_.group(mesh::kReplicas),
                                                &rank_.group(mesh::kStages),
                                                rank_.tensor().ranks,
                                                rank_.ends()};
  for (const parallel::ReplicaGroups& groups :
       trainer_.rank_model().store().groups()) {
    all.insert(all.end(),
               {groups.all, groups.shard.get(), groups.replicate.get()});
  }
  std::set<std::string> axes;
  for (const comm::Communicator* ranks : all) {
    if (ranks != nullptr && ranks->size() > 1) {
      axes.insert(ranks->axis());
    }
  }
  return axes;
}

// The bytes since the last call.
std::map<std::string, std::map<std::string, std::uint64_t>>
StepReport::communicated() {
  std::map<std::string, std::map<std::string, std::uint64_t>> bytes;
  const std::set<std::string> shared = shared_axes();
  for (const auto& [axis, counts] : rank_.world().traffic().by_axis()) {
    for (int k = 0; k < comm::kKinds; ++k) {
      const auto kind = static_cast<comm::Kind>(k);
      const std::uint64_t now = counts[k].bytes;
      const std::uint64_t before =
          std::exchange(communicated_[{axis, kind}], now);
      if (now > before && shared.contains(axis)) {
        bytes[axis][comm::name_of(kind)] = now - before;
      }
    }
  }
  return bytes;
}

std::string StepReport::progress() const {
  std::string text =
      fmt::format("step {}/{}  loss {:.4f}  {} tokens/s  {:.0f} % of peak",
                  last_.step,
                  trainer_.config().train.steps,
                  last_.loss,
                  with_prefix(rate_.value()),
                  100 * rate_.value() * flops_per_token_ / peak_flops_);
  if (validation_loss_) {
    text += fmt::format("  validation {:.4f} (perplexity {:.2f})",
                        *validation_loss_,
                        std::exp(*validation_loss_));
  }
  return text;
}

}  // namespace dure::train
