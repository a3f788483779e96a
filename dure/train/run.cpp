#include "dure/train/run.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dure/base/check.h"
#include "dure/base/error_text.h"
#include "dure/base/progress.h"
#include "dure/comm/abandon.h"
#include "dure/comm/activity.h"
#include "dure/data/build_datasets.h"
#include "dure/data/tokenizer/tokenizer.h"
#include "dure/model/flops.h"
#include "dure/train/check_replicas.h"
#include "dure/train/combine.h"
#include "dure/train/memory_report.h"
#include "dure/train/metrics.h"
#include "dure/train/peak.h"
#include "dure/train/ramp_up.h"
#include "dure/train/run_checkpoint.h"
#include "dure/train/run_directories.h"
#include "dure/train/run_facts.h"
#include "dure/train/same_files.h"
#include "dure/train/segment.h"
#include "dure/train/trainer.h"

namespace dure::train {
namespace {

constexpr const char* kAnswerWhileSaving =
    "stopping as soon as the checkpoint that is being written is whole";

std::int64_t evaluation_samples(const TrainConfig& train) {
  return train.evaluate_steps * train.global_batch;
}

data::Datasets open_data(const Config& config,
                         data::SampleOrder order,
                         const comm::Communicator& world,
                         const Log& log) {
  const comm::Activity opening(world, "opening the data");
  return data::build_datasets(
      config.data,
      {.samples = {.train = samples_of_run(config.train),
                   .validation = config.train.evaluate_every > 0
                                     ? evaluation_samples(config.train)
                                     : 0,
                   .test = evaluation_samples(config.train)},
       .order = order,
       .seed = static_cast<std::uint64_t>(config.train.seed),
       .vocabulary = config.model.vocabulary,
       .log = &log});
}

std::size_t limit_bytes(const MemoryConfig& memory) {
  constexpr double kGib = 1024.0 * 1024 * 1024;
  return static_cast<std::size_t>(memory.limit_gib * kGib);
}

RankOptions options_of(const Config& config, comm::Communicator* world) {
  RankOptions options = rank_options(config);
  options.limit_bytes = limit_bytes(config.memory);
  options.simulated.rank = world != nullptr ? world->rank() : 0;
  options.world = world;
  return options;
}

std::optional<RunDirectories> directories_of(const Config& config,
                                             const Rank& rank) {
  if (!rank.is_first()) {
    return std::nullopt;
  }
  const comm::Activity preparing(rank.world(), "preparing its directories");
  return std::optional<RunDirectories>(
      std::in_place, config, plan_of(config, {}, {}));
}

// Of all processes together.
double peak_of(Rank& rank) {
  comm::Communicator& world = rank.world();
  const bool measures = rank.is_first() || !world.is_one_process();
  const comm::Activity measuring(world, "measuring this machine");
  return sum_over(world,
                  measures ? measure_peak_flops(rank.stream.device()) : 0);
}

// The run itself: a trainer, its data and its files.
class Run {
 public:
  Run(const Config& config, const RunOptions& options)
      : config_(config),
        config_text_(options.config_text),
        written_by_(options.written_by),
        header_(options.header),
        log_(options.log),
        stop_(options.stop),
        start_how_(options.start),
        rank_(options_of(config, options.world)),
        twin_(options.twin),
        directories_(directories_of(config, rank_)),
        start_(starting_point(options.start)),
        data_(first_rank_first(
            rank_.world(),
            [&] {
              return open_data(
                  config, order_after(start_, config), world(), log_);
            })),
        trainer_(rank_, config),
        flops_per_token_(
            model::flops_per_token(config.model, config.data.sequence)),
        peak_flops_(peak_of(rank_)) {
    DURE_CHECK(data_.train != nullptr,
               "no training data: set data.train to a prefix that `dure "
               "preprocess` wrote");
    documents_ = documents_of();
    if (!start_.empty()) {
      load_trainer(rank_, trainer_, start_, documents_, log_);
      saved_step_ = trainer_.position().step;
    }
    if (config.log.trace) {
      rank_.stream.set_trace(&trace_);
    }
  }

  comm::Communicator& world() const { return rank_.world(); }

  void train() {
    const std::int64_t first = trainer_.position().step;
    if (finished()) {
      log_.info(concat("all ", first, " steps are done already"));
      tested_ = data_.test == nullptr || was_tested();
      return test();
    }
    for (const std::string& line : header_) {
      log_.info(line);
    }
    open_files();
    saved_step_ = first;  // nothing to save as yet
    try {
      run_steps();
      finish();
      test();
      note_end();
    } catch (const NotFinite&) {
      save_last_whole(rank_.world());
      throw;
    } catch (const std::exception& error) {
      save_over_twin(error);
      throw;
    }
  }

 private:
  Path file(const char* name) const {
    return Path(config_.log.directory) / name;
  }

  std::string starting_point(Start start) {
    if (config_.train.device == Device::kSim) {
      return "";  // nothing is saved
    }
    const std::string found = first_rank_says(rank_.world(), [&] {
      const comm::Activity looking(world(), "looking for checkpoints");
      return find_starting_point(config_, start, log_)
          .value_or(Path())
          .string();
    });
    expect_same_files(world(), [&] {
      const comm::Activity comparing(world(), "comparing files");
      comm::Facts facts = facts_of_data(config_.data);
      const comm::Facts more = facts_of_checkpoint(found);
      facts.insert(facts.end(), more.begin(), more.end());
      return facts;
    });
    return found;
  }

  RunDocuments documents_of() const {
    RunDocuments documents = {
        .tokenizer = {}, .data = data_.identity, .epochs = data_.epochs};
    if (rank_.is_first()) {
      documents.tokenizer = data::tokenizer_documents(config_.data.tokenizer,
                                                      config_.model.vocabulary);
    }
    return documents;
  }

  void run_steps() {
    const std::int64_t first = trainer_.position().step;
    std::optional<Progress> progress;
    if (rank_.is_first()) {
      progress.emplace("train",
                       static_cast<std::uint64_t>(config_.train.steps),
                       static_cast<std::uint64_t>(first),
                       config_.log.every > 0 ? Progress::Lines::kAsked
                                             : Progress::Lines::kByTime);
    }
    while (!finished() && !stop_asked()) {
      stop_.answer(
          parallel::is_synchronous(config_.parallel.schedule)
              ? "stopping after this step, then saving"
              : "stopping when the pipeline has drained (after at most "
                "parallel.drain_every steps), then saving");
      const std::int64_t before = trainer_.position().step;
      advance();
      if (progress) {
        show(*progress, before);
      }
      if (due(config_.checkpoint.every) && !finished()) {
        stop_.answer(kAnswerWhileSaving);
        save(rank_.world());
      }
    }
    if (progress) {
      progress->finish(
          progress_detail(last_),
          finished() ? Progress::End::kDone : Progress::End::kStopped);
    }
  }

  // A line that stays every log.every steps; after the last comes another. Of a
  // segment it is the last one's.
  void show(Progress& progress, std::int64_t before) {
    const auto done = static_cast<std::uint64_t>(last_.step);
    const std::int64_t every = config_.log.every;
    if (every > 0 && last_.step / every > before / every && !finished()) {
      progress.print(done, progress_detail(last_));
    } else {
      progress.update(done, progress_detail(last_));
    }
  }

  // Once a step: what is saved, or was read, is not written again.
  void save(comm::Communicator& ranks) {
    const std::int64_t step = trainer_.position().step;
    if (saved_step_ != step) {
      saving_ = true;
      save_trainer(rank_, trainer_, documents_, ranks);
      saving_ = false;
      saved_step_ = step;
    }
  }

  // After an error: where all ranks of `ranks` come here with weights and
  // states of one step, that step is saved. None leaves before all is written:
  // who leaves ends the others.
  void save_last_whole(comm::Communicator& ranks) {
    try {
      const std::int64_t step = trainer_.position().step;
      const bool none = saving_ || !trainer_.is_whole();
      if (any_of(ranks, none) || !all_same(ranks, step) ||
          saved_step_ == step) {
        return;
      }
      save(ranks);
      ranks.run(comm::Barrier{});
      if (rank_.is_first()) {
        log_.warning(concat("the run ends by an error; step ",
                            step,
                            ", the last one, is saved: add --resume to go on"));
      }
    } catch (const std::exception& error) {
      log_.warning(
          concat("the last step could not be saved: ", message_of(error)));
    }
  }

  // The world fails first, so that no rank waits there for this one.
  void save_over_twin(const std::exception& error) {
    rank_.world().abandon(error.what());
    if (twin_ != nullptr) {
      save_last_whole(*twin_);
    } else if (rank_.world().size() == 1) {
      save_last_whole(rank_.world());
    }
  }

  bool finished() const {
    return trainer_.position().step >= config_.train.steps;
  }

  // A signal reaches ranks at different times: all stop at the same step.
  bool stop_asked() {
    stopped_ = any_of(rank_.world(), stop_.stop_requested());
    return stopped_;
  }

  bool due(std::int64_t every) const {
    return every > 0 && trainer_.position().step % every == 0;
  }

  void open_files() {
    const std::vector<HostFacts> hosts = hosts_of_run(world());
    if (!rank_.is_first()) {
      return;
    }
    const comm::Activity writing(world(), "writing the files of the run");
    if (start_how_ == Start::kRestart && config_.train.device != Device::kSim) {
      put_aside(config_, log_);
    }
    write_file_atomically(file("config.toml"), config_text_);
    const std::int64_t step = trainer_.position().step;
    metrics_ = std::make_unique<MetricsFile>(file("metrics.jsonl"), step);
    run_file_ = std::make_unique<RunFile>(
        file("run.json"),
        RunStart{.time = started_,
                 .written_by = written_by_,
                 .step = step,
                 .ranks = world().size(),
                 .back_end = world().back_end(),
                 .peak_flops = peak_flops_,
                 .hosts = hosts,
                 .data = facts_of(config_.data, data_)},
        step > 0 ? RunFile::Before::kKept : RunFile::Before::kDropped,
        log_);
  }

  // To the next step at which the weights are all of that step.
  void advance() {
    const std::int64_t tokens =
        trainer_.position().consumed * config_.data.sequence;
    const std::int64_t count =
        steps_of_segment(config_, trainer_.position().step);
    const double start = monotonic_seconds();
    const std::vector<StepResult> results = steps(count);
    const double seconds = monotonic_seconds() - start;
    record_step(results.back().step, start, seconds);
    tokens_ = tokens;
    for (const StepResult& result : results) {
      take(result, seconds / static_cast<double>(count));
    }
    last_.validation_loss = validate();
    if (due(config_.train.check_replicas_every)) {
      check_replicas(rank_, trainer_);
    }
    write(last_);
  }

  // The first ones touch all memory for the first time, and what the system
  // has to do for that may take a while.
  std::vector<StepResult> steps(std::int64_t count) {
    std::optional<comm::Activity> first;
    if (last_.step == 0) {
      first.emplace(rank_.world(), "the first step");
    }
    return trainer_.steps(*data_.train, static_cast<int>(count));
  }

  // Steps that overlap are one event, by the name of the last.
  void record_step(std::int64_t step, double start, double seconds) {
    if (config_.log.trace) {
      trace_.record({.name = trace_.keep(concat("step ", step)),
                     .start_seconds = start,
                     .seconds = seconds,
                     .row = TraceRow::kStep});
    }
  }

  // All but the last one are written: that one may get a validation loss.
  void take(const StepResult& result, double seconds) {
    if (result.skipped && rank_.is_first()) {
      log_.warning(concat("step ",
                          result.step,
                          ": ",
                          *result.skipped,
                          " is not finite; update left out"));
    }
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
             .skipped = result.skipped};
    if (result.step < trainer_.position().step) {
      write(last_);
    }
  }

  void write(Metrics& metrics) {
    if (metrics_ != nullptr) {
      if (metrics.step == trainer_.position().step) {
        metrics.communicated = communicated();
      }
      const comm::Activity writing(world(), "writing metrics.jsonl");
      metrics_->append(metrics);
    }
  }

  // Nothing where a stop was asked for meanwhile.
  std::optional<double> evaluate(const data::Dataset& dataset) {
    stop_.answer("breaking off the evaluation, then saving");
    return trainer_.evaluate(dataset,
                             evaluation_samples(config_.train),
                             [this] { return stop_asked(); });
  }

  std::optional<double> validate() {
    if (data_.validation == nullptr ||
        (!due(config_.train.evaluate_every) && !finished())) {
      return std::nullopt;
    }
    const std::optional<double> loss = evaluate(*data_.validation);
    validation_loss_ = loss ? loss : validation_loss_;
    return loss;
  }

  // Of a run that has made all its steps and saved them, once.
  void test() {
    if (data_.test == nullptr || !finished() || tested_) {
      return;
    }
    const std::optional<double> loss = evaluate(*data_.test);
    if (!loss) {
      return log_.warning(
          "the test data is not evaluated yet: --resume does that");
    }
    log_.info(fmt::format(
        "test loss {:.4f} (perplexity {:.2f})", *loss, std::exp(*loss)));
    if (rank_.is_first()) {
      const comm::Activity writing(world(), "writing the test loss");
      add_test_loss(file("metrics.jsonl"), *loss);
    }
  }

  bool was_tested() {
    return any_of(world(),
                  rank_.is_first() && has_test_loss(file("metrics.jsonl")));
  }

  // Axes on which there is another rank to talk to.
  std::set<std::string> shared_axes() {
    const parallel::ReplicaGroups& groups = trainer_.replica().store().groups();
    std::set<std::string> axes;
    using Ranks = const comm::Communicator*;
    for (Ranks ranks : {Ranks(&rank_.world()),
                        Ranks(&rank_.data()),
                        Ranks(&rank_.pipe()),
                        Ranks(rank_.tensor().ranks),
                        Ranks(rank_.ends()),
                        Ranks(groups.shard.get()),
                        Ranks(groups.replicate.get())}) {
      if (ranks != nullptr && ranks->size() > 1) {
        axes.insert(ranks->axis());
      }
    }
    return axes;
  }

  // Since the last time.
  std::map<std::string, std::map<std::string, std::uint64_t>> communicated() {
    std::map<std::string, std::map<std::string, std::uint64_t>> bytes;
    const std::set<std::string> shared = shared_axes();
    for (const auto& [axis, counts] : rank_.world().traffic().by_axis()) {
      for (int k = 0; k < comm::kKinds; ++k) {
        const auto kind = static_cast<comm::Kind>(k);
        const std::uint64_t now = counts[static_cast<std::size_t>(k)].bytes;
        const std::uint64_t before =
            std::exchange(communicated_[{axis, kind}], now);
        if (now > before && shared.contains(axis)) {
          bytes[axis][comm::name_of(kind)] = now - before;
        }
      }
    }
    return bytes;
  }

  std::string progress_detail(const Metrics& metrics) const {
    std::string text =
        fmt::format("step {}/{}  loss {:.4f}  {} tokens/s  {:.0f} % of peak",
                    metrics.step,
                    config_.train.steps,
                    metrics.loss,
                    with_prefix(rate_.value()),
                    100 * rate_.value() * flops_per_token_ / peak_flops_);
    if (validation_loss_) {
      text += fmt::format("  validation {:.4f} (perplexity {:.2f})",
                          *validation_loss_,
                          std::exp(*validation_loss_));
    }
    return text;
  }

  void finish() {
    stop_.answer(kAnswerWhileSaving);
    save(rank_.world());
    comm::Communicator& world = rank_.world();
    const auto memory =
        gather_texts(world, memory_json(world.rank(), rank_.arena.ledger()));
    const auto traces = gather_texts(
        world, config_.log.trace ? trace_.to_json(world.rank()) : "");
    if (rank_.is_first()) {
      const comm::Activity writing(world, "writing the files of the run");
      write_file_atomically(file("memory.json"), memory_json(memory));
      if (config_.log.trace) {
        write_trace(file("trace.json"), traces);
      }
    }
    if (stopped_ && !finished()) {
      log_.info(concat("stopped after step ",
                       trainer_.position().step,
                       " as asked, and saved; add --resume to go on"));
    }
  }

  void note_end() {
    if (run_file_ != nullptr) {
      run_file_->end({.time = utc_now(),
                      .seconds = monotonic_seconds() - started_seconds_,
                      .step = trainer_.position().step});
    }
  }

  Config config_;
  std::string config_text_;
  std::string written_by_;
  std::string started_ = utc_now();
  double started_seconds_ = monotonic_seconds();
  const std::vector<std::string>& header_;
  Log log_;
  StopRequest stop_;
  Start start_how_;
  bool stopped_ = false;
  Rank rank_;
  comm::Communicator* twin_;
  std::optional<RunDirectories> directories_;  // the first rank's
  std::string start_;                          // a checkpoint; empty: none
  data::Datasets data_;
  Trainer trainer_;
  double flops_per_token_;
  RecentRate rate_{/*window_seconds=*/10};  // of tokens
  double peak_flops_;
  RunDocuments documents_;  // the first rank's
  std::optional<std::int64_t> saved_step_;
  bool tested_ = false;
  bool saving_ = false;
  std::unique_ptr<MetricsFile> metrics_;
  std::unique_ptr<RunFile> run_file_;  // the first rank's
  Trace trace_;
  Metrics last_;
  std::int64_t tokens_ = 0;
  std::optional<double> validation_loss_;
  std::map<std::pair<std::string, comm::Kind>, std::uint64_t> communicated_;
};

}  // namespace

void run_training(const Config& config, const RunOptions& options) {
  Run run(config, options);
  comm::or_abandon(run.world(), [&] { run.train(); });
}

}  // namespace dure::train
