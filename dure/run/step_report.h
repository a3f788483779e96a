// The reports of a run's steps: metrics.jsonl, and the line of progress.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "dure/base/log.h"
#include "dure/base/progress.h"
#include "dure/comm/collective.h"
#include "dure/run/metrics.h"
#include "dure/train/rank.h"
#include "dure/train/trainer.h"

namespace dure::train {

// Whether something that happens every so many steps, or never if that is 0,
// happens at this one.
inline bool is_due(std::int64_t every, std::int64_t step) {
  return every > 0 && step % every == 0;
}

// All ranks have one; the first rank's writes and prints. open() and the
// constructor's measurement concern all ranks, everything else one rank alone.
class StepReport {
 public:
  // Collective. All three outlive it.
  StepReport(Rank& rank, Trainer& trainer, Log log);

  // Opens the file for the lines to come, and removes lines of steps that the
  // trainer has not reached. Called on the first rank.
  void open(const Path& file);

  // Steps that were made at once. All but the last are written, which may still
  // get a validation loss.
  struct Segment {
    std::span<const StepResult> results;
    double seconds = 0;
    std::int64_t tokens_before = 0;  // read by the steps before it
  };
  void take(const Segment& segment);

  // Steps of which the last ended the run, for a reason that the run's error
  // gives. All are written.
  void take_failed(const Segment& segment);

  // Writes the last step's line.
  void write_last(std::optional<double> validation_loss);

  // The last step; 0 before the first one.
  std::int64_t step() const { return last_.step; }
  std::string progress() const;
  // The FLOP/s that this machine and those of the other ranks can do.
  double peak_flops() const { return peak_flops_; }

 private:
  enum class Warn : std::uint8_t { kNo, kYes };
  // Writes all but the last. `last` is whether to warn if it was left out.
  void take(const Segment& segment, Warn last);
  void take(const StepResult& result, double seconds);
  void warn_of_skipped(const StepResult& result);
  void write(Metrics& metrics);
  std::set<std::string> shared_axes() const;
  std::map<std::string, std::map<std::string, std::uint64_t>> communicated();

  Rank& rank_;
  Trainer& trainer_;
  Log log_;
  double flops_per_token_;
  RecentRate rate_{/*window_seconds=*/10};  // of tokens
  double peak_flops_;
  std::unique_ptr<MetricsFile> file_;
  Metrics last_;
  std::int64_t tokens_ = 0;
  std::optional<double> validation_loss_;
  std::map<std::pair<std::string, comm::Kind>, std::uint64_t> communicated_;
};

}  // namespace dure::train
